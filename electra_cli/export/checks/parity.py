"""Compares what was written with our own forward pass, by code that shares nothing with it."""

from __future__ import annotations

import importlib.util
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf
from safetensors.numpy import load_file

from electra_cli.environment import prepare_torch
from electra_cli.errors import TrainingError
from electra_cli.export.checks import reference_layout
from electra_cli.export.checks.batch import Batch, make_batch, make_texts
from electra_cli.export.checks.numpy_forward import NumpyElectra
from electra_cli.export.sources.networks import DISCRIMINATOR, GENERATOR, network_tensors
from electra_cli.export.sources.source import Source
from electra_cli.interop.huggingface import discriminator_config, generator_config
from electra_cli.modeling.electra import ElectraModel

Floats = npt.NDArray[np.float32]

_TOLERANCE = 1e-4


@dataclass(frozen=True)
class Parity:
    """Outcome of a comparison.

    Attributes:
      method: What computed the other side: transformers or numpy.
      max_abs_difference: Largest difference between two logits.
      bound: What it must not exceed: 1e-4·max(1, largest absolute logit).
    """

    method: str
    max_abs_difference: float
    bound: float


def check_huggingface(model: ElectraModel, source: Source, folder: Path) -> Parity:
    """Reads the folders of the networks back and compares their logits with the model's.

    Raises:
      TrainingError: They differ by more than the bound, or do not fit each other.
    """
    batch = make_batch(source)
    ours = _own_logits(model, batch, source)
    method = "transformers" if _has_transformers() else "numpy"
    logits_of = _transformers_logits if method == "transformers" else _numpy_logits_of_files
    theirs = {name: logits_of(folder / name, name, batch) for name in ours}
    return compare(method, [(name, ours[name], theirs[name]) for name in ours])


def check_saved_model(model: ElectraModel, source: Source, folder: Path) -> Parity:
    """Loads a SavedModel back and compares it with the NumPy forward pass over the weights.

    Raises:
      TrainingError: The signatures differ by more than the bound from it or from each other.
    """
    batch = make_batch(source)
    config = discriminator_config(source.config, pad_id=source.special_ids.pad)
    tensors = network_tensors(model, source)[DISCRIMINATOR]
    expected = NumpyElectra(config, tensors).discriminator_logits(
        batch.ids, batch.mask, batch.segments
    )
    signatures = tf.saved_model.load(str(folder)).signatures
    served = _serve(signatures, batch)
    pairs = [("serving_default", served, expected)]
    if source.vocab is not None:
        from_text = signatures["text"](text=tf.constant(make_texts(source, source.vocab)))
        ids = from_text["input_ids"].numpy()
        mask = (ids != source.special_ids.pad).astype(np.int32)
        from_ids = _serve(signatures, Batch(ids, mask, np.zeros_like(ids)))
        pairs.append(("text", from_text["logits"].numpy(), from_ids))
    return compare("numpy", pairs)


def check_reference(model: ElectraModel, source: Source, folder: Path) -> Parity:
    """Reads a checkpoint of the reference back and compares its networks by NumPy.

    Raises:
      TrainingError: They differ by more than the bound, or a variable is missing.
    """
    reader = tf.train.load_checkpoint(str(folder / reference_layout.PREFIX))
    arrays = {name: reader.get_tensor(name) for name in reader.get_variable_to_shape_map()}
    batch = make_batch(source)
    pad = source.special_ids.pad
    configs = {
        DISCRIMINATOR: discriminator_config(source.config, pad_id=pad),
        GENERATOR: generator_config(source.config, pad_id=pad),
    }
    ours = _own_logits(model, batch, source)
    theirs = {
        name: _numpy_logits(
            configs[name], reference_layout.network_tensors(arrays, name), name, batch
        )
        for name in ours
    }
    return compare("numpy", [(name, ours[name], theirs[name]) for name in ours])


def _own_logits(model: ElectraModel, batch: Batch, source: Source) -> dict[str, Floats]:
    features = batch.features()
    logits = {
        DISCRIMINATOR: model.discriminate(features["masked_input_ids"], features)[0].numpy(),
        GENERATOR: model.generate(features).numpy(),
    }
    return {name: logits[name] for name in source.networks}


def _serve(signatures: Mapping[str, Any], batch: Batch) -> Floats:
    outputs = signatures["serving_default"](
        input_ids=tf.constant(batch.ids),
        input_mask=tf.constant(batch.mask),
        segment_ids=tf.constant(batch.segments),
    )
    return outputs["logits"].numpy()


def _has_transformers() -> bool:
    return all(importlib.util.find_spec(name) is not None for name in ("torch", "transformers"))


def _transformers_logits(folder: Path, network: str, batch: Batch) -> Floats:
    # Read when huggingface_hub is imported: nothing here has a reason to ask the network.
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    prepare_torch()
    import torch
    import transformers

    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    classes = {
        DISCRIMINATOR: transformers.ElectraForPreTraining,
        GENERATOR: transformers.ElectraForMaskedLM,
    }
    loaded, info = classes[network].from_pretrained(
        folder, local_files_only=True, use_safetensors=True, output_loading_info=True
    )
    faults = {
        key: sorted(map(str, info[key]))
        for key in ("missing_keys", "unexpected_keys", "mismatched_keys")
        if info[key]
    }
    if faults:
        raise TrainingError(f"transformers does not load {network}/ completely: {faults}")
    with torch.no_grad():
        output = loaded.eval()(
            input_ids=torch.from_numpy(batch.ids).long(),
            attention_mask=torch.from_numpy(batch.mask).long(),
            token_type_ids=torch.from_numpy(batch.segments).long(),
        )
    return output.logits.numpy()


def _numpy_logits_of_files(folder: Path, network: str, batch: Batch) -> Floats:
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    return _numpy_logits(config, load_file(folder / "model.safetensors"), network, batch)


def _numpy_logits(
    config: Mapping[str, Any], tensors: Mapping[str, Floats], network: str, batch: Batch
) -> Floats:
    loaded = NumpyElectra(config, tensors)
    forward = loaded.discriminator_logits if network == DISCRIMINATOR else loaded.generator_logits
    try:
        return forward(batch.ids, batch.mask, batch.segments)
    except (KeyError, ValueError) as error:
        raise TrainingError(f"the tensors of the {network} are not complete: {error}") from error


def compare(method: str, pairs: Sequence[tuple[str, Floats, Floats]]) -> Parity:
    """Checks pairs of outputs, each with its name, and returns the one closest to its bound.

    Raises:
      TrainingError: A pair differs by more than 1e-4·max(1, largest absolute value).
    """
    found = []
    for name, ours, theirs in pairs:
        bound = _TOLERANCE * max(1.0, float(np.abs(ours).max()))
        difference = float(np.abs(ours - theirs).max())
        if not difference <= bound:  # also if it is not a number
            raise TrainingError(
                f"the exported {name} differs from the model: by {difference:.3g}, which is more "
                f"than {bound:.3g} (method: {method}); nothing was written",
                hint="please report this with the configuration of the run, RUN/config.yaml",
            )
        found.append(Parity(method, difference, bound))
    return max(found, key=lambda parity: parity.max_abs_difference / parity.bound)
