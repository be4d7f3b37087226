"""A Hugging Face folder as a source of weights: config.json and model.safetensors, no PyTorch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError, safe_open

from electra_cli.config.choices import Network
from electra_cli.errors import DataError
from electra_cli.files.record import read_json
from electra_cli.interop.huggingface import Tensors
from electra_cli.modeling.architecture import Sizes

WEIGHTS = "model.safetensors"

_ARCHITECTURES: dict[str, Network] = {
    "ElectraForPreTraining": "discriminator",
    "ElectraForMaskedLM": "generator",
    "ElectraModel": "discriminator",  # an encoder without its head
}
# First versions of the library called the weights of a LayerNorm as TensorFlow does.
_RENAMED = ((".LayerNorm.gamma", ".LayerNorm.weight"), (".LayerNorm.beta", ".LayerNorm.bias"))
# An encoder that was saved alone leaves the name of its model out.
_WORDS = "electra.embeddings.word_embeddings.weight"
_MODEL, _PARTS = "electra.", ("embeddings.", "embeddings_project.", "encoder.")
# Their keys, and ours; those of the second table have another prefix in a generator, and so has
# the width of the embeddings, which may be its own.
_SHARED = {
    "vocab_size": "model.vocab_size",
    "max_position_embeddings": "model.max_position_embeddings",
    "type_vocab_size": "model.type_vocab_size",
}
SIZE_KEYS = {
    "hidden_size": "hidden_size",
    "num_hidden_layers": "num_layers",
    "num_attention_heads": "num_attention_heads",
    "intermediate_size": "intermediate_size",
}
# What our model is, and a configuration could ask to be otherwise.
_FIXED = {"hidden_act": "gelu", "layer_norm_eps": 1e-12, "position_embedding_type": "absolute"}


def is_folder(folder: Path) -> bool:
    """True for a folder with weights in a safetensors file."""
    return (folder / WEIGHTS).is_file()


def is_pretraining(folder: Path) -> bool:
    """True for a folder whose config.json names one of our networks."""
    names = _object(folder / "config.json").get("architectures")
    return isinstance(names, list) and bool(names) and names[0] in list(_ARCHITECTURES)


def read_network(folder: Path) -> tuple[Network, Sizes]:
    """Which network a folder holds, and its sizes.

    Raises:
      DataError: config.json is missing, damaged, or of a model that is not ours.
    """
    path = folder / "config.json"
    config = _object(path)
    names = config.get("architectures")
    name = names[0] if isinstance(names, list) and names else None
    if name is None and config.get("model_type") == "electra":
        name = _architecture_of(folder)
    if not isinstance(name, str) or name not in _ARCHITECTURES:
        raise DataError(
            f"{path} is of {name or 'no architecture'}, not of an ELECTRA in pretraining",
            hint="name weights of ElectraForPreTraining, ElectraForMaskedLM or ElectraModel",
        )
    for key, value in _FIXED.items():
        if config.get(key, value) != value:
            raise DataError(
                f"{path}: {key} is {config[key]!r}; ours is {value!r} in every model",
                hint="a model that computes otherwise cannot be loaded; choose another source",
            )
    network = _ARCHITECTURES[name]
    prefix = "model." if network == "discriminator" else "generator "
    keys = _SHARED | {"embedding_size": f"{prefix}embedding_size"}
    keys |= {theirs: prefix + ours for theirs, ours in SIZE_KEYS.items()}
    sizes = {ours: config[theirs] for theirs, ours in keys.items() if theirs in config}
    for key, size in sizes.items():
        if type(size) is not int:
            raise DataError(f"{path}: {key} is {size!r}, not an integer", hint=_DAMAGED)
    return network, sizes


def read_tensors(folder: Path) -> Tensors:
    """All tensors of a folder, widened to float32.

    Raises:
      DataError: The file is damaged.
    """
    import ml_dtypes  # noqa: F401 - numpy knows bfloat16 from then on; TensorFlow needs it too

    with _opened(folder / WEIGHTS) as file:
        return {
            _present_name(name): file.get_tensor(name).astype(np.float32)
            for name in file.keys()  # noqa: SIM118 - it is no mapping
        }


def has_one_table(folders: Mapping[str, Path]) -> bool:
    """Whether the word tables of all networks are the same.

    Args:
      folders: Of the networks.

    Raises:
      DataError: A file is damaged.
    """
    first, *others = (_words(folder) for folder in folders.values())
    return all(np.array_equal(first, other) for other in others)


def _words(folder: Path) -> npt.NDArray[np.float32]:
    import ml_dtypes  # noqa: F401

    with _opened(folder / WEIGHTS) as file:
        for name in file.keys():  # noqa: SIM118
            if _present_name(name) == _WORDS:
                return np.asarray(file.get_tensor(name), np.float32)
    return np.zeros([0, 0], np.float32)


def _present_name(name: str) -> str:
    """The name that a tensor has in the library today."""
    for old, new in _RENAMED:
        if name.endswith(old):
            name = name.removesuffix(old) + new
    return _MODEL + name if name.startswith(_PARTS) else name


def _architecture_of(folder: Path) -> str:
    """What the names of the tensors say of a model whose configuration does not."""
    with _opened(folder / WEIGHTS) as file:
        names = list(file.keys())
    if any(name.startswith("generator_") for name in names):
        return "ElectraForMaskedLM"
    if any(name.startswith("discriminator_") for name in names):
        return "ElectraForPreTraining"
    return "ElectraModel"


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    try:
        with safe_open(str(path), framework="np") as file:
            yield file
    except (SafetensorError, OSError) as error:
        raise DataError(f"{path} cannot be read: {error}", hint=_DAMAGED) from error


def _object(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise DataError(f"{path} is missing", hint=_DAMAGED)
    return read_json(path, hint=_DAMAGED)


_DAMAGED = "copy the whole folder again, or write it with save_pretrained"
