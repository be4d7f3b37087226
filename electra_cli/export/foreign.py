"""Weights of other projects as a source: checkpoints of the reference, Hugging Face folders."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from electra_cli.config.schema import Config
from electra_cli.corpus.manifest import TokenizerOptions
from electra_cli.corpus.vocabulary import SpecialIds, load_vocabulary, special_ids
from electra_cli.environment import prepare_tensorflow
from electra_cli.errors import DataError, InputMissingError
from electra_cli.export.source import Source
from electra_cli.interop.sizes import Sizes
from electra_cli.interop.source import CHECKPOINT, find_source
from electra_cli.interop.source import Source as Weights

# Of the vocabulary that the released models share, for weights that come without one.
_RELEASED_IDS = SpecialIds(pad=0, unk=100, cls=101, sep=102, mask=103)
_HEAD_SIZE = 64
_KEYS = {
    "hidden_size": "hidden_size",
    "num_hidden_layers": "num_layers",
    "num_attention_heads": "num_attention_heads",
    "intermediate_size": "intermediate_size",
}
_SHARED = ("vocab_size", "max_position_embeddings", "type_vocab_size")


def open_foreign(
    path: Path,
    *,
    reference_config: Path | None = None,
    vocab: Path | None = None,
    lowercase: bool | None = None,
    on_progress: Callable[[str], None] = lambda stage: None,
) -> Source:
    """Opens weights that no run of ours belongs to.

    Args:
      path: What `interop.source.find_source` understands.
      reference_config: Sizes of a checkpoint of the reference, as JSON; None to infer them.
      vocab: The vocabulary; None for the one beside the weights, if there is one.
      lowercase: Whether the tokenizer lower-cases; None for what is recorded, else yes.
      on_progress: Is told what was inferred.

    Raises:
      InputMissingError: One of the paths is not there.
      DataError: Sizes, weights or vocabulary are damaged or do not fit each other.
    """
    weights = find_source(path)
    sizes = dict(weights.sizes)
    if reference_config is not None:
        sizes |= _read_config(reference_config)
    elif CHECKPOINT in weights.files:
        sizes |= _infer(weights.files[CHECKPOINT])
        told = ", ".join(f"{key} {size}" for key, size in sizes.items())
        on_progress(f"sizes inferred from the weights (heads are 64 wide): {told}")
    config = _configuration(sizes, path)
    found = vocab or next(iter(weights.vocabularies), None)
    ids = _RELEASED_IDS
    if found is None:
        on_progress("no vocabulary, so no tokenizer is written (--vocab FILE names one)")
    else:
        tokens = load_vocabulary(found)
        if len(tokens) != config.model.vocab_size:
            raise DataError(
                f"{found} has {len(tokens)} word pieces, the weights of {path} "
                f"{config.model.vocab_size}",
                hint="--vocab FILE with the vocabulary the model was trained with",
            )
        ids = special_ids(tokens)
    return Source(
        path=path,
        config=config,
        special_ids=ids,
        tokenizer=_tokenizer(weights, lowercase),
        vocab=found,
        has_generator="generator hidden_size" in sizes,
        load_model=lambda: _load(weights, config),
    )


def _load(weights: Weights, config: Config) -> Any:
    from electra_cli.interop.weights import load_weights
    from electra_cli.modeling.architecture import Architecture
    from electra_cli.modeling.electra import ElectraModel

    architecture = Architecture.of(config)
    weights.check(architecture)
    model = ElectraModel(architecture)
    load_weights(model, weights, allow_missing=["generator"])
    return model


def _infer(prefix: Path) -> Sizes:
    """Sizes from the shapes of a checkpoint's weights, with heads as the reference scales them."""
    prepare_tensorflow()
    from electra_cli.interop.checkpoint import read_checkpoint
    from electra_cli.interop.sizes import sizes_of_arrays

    sizes = sizes_of_arrays(read_checkpoint(prefix).arrays)
    for network in ("model.", "generator "):
        if f"{network}hidden_size" in sizes:
            heads = max(1, sizes[f"{network}hidden_size"] // _HEAD_SIZE)
            sizes[f"{network}num_attention_heads"] = heads
    return sizes


def _read_config(path: Path) -> Sizes:
    """Reads {"discriminator": {...}, "generator": {...}, "embedding_size": N}."""
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        sizes: Sizes = {"model.embedding_size": record["embedding_size"]}
        for network, prefix in (("discriminator", "model."), ("generator", "generator ")):
            if network in record:
                sizes |= {prefix + ours: record[network][key] for key, ours in _KEYS.items()}
        sizes |= {f"model.{key}": record["discriminator"][key] for key in _SHARED}
    except OSError as error:
        raise InputMissingError(
            f"no reference configuration at {path} ({error.strerror})",
            hint="check --reference-config, or leave it out to infer the sizes",
        ) from error
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(
            f"{path} is no configuration of the reference: {error!r}",
            hint='it needs "discriminator", "generator" and "embedding_size", the first two with '
            f"{', '.join((*_KEYS, *_SHARED))}",
        ) from error
    return sizes


def _configuration(sizes: Sizes, path: Path) -> Config:
    """A configuration with these sizes; what is not known of the generator stays at its default."""
    if "model.hidden_size" not in sizes:
        raise DataError(
            f"{path} has no discriminator", hint="name weights that have one: it is what is used"
        )
    values: dict[str, Any] = {k: size for k, size in sizes.items() if k.startswith("model.")}
    width = sizes.get("generator hidden_size")
    if width is not None:
        values["generator.size"] = width / sizes["model.hidden_size"]
    positions = sizes.get("model.max_position_embeddings", 512)
    return Config().replaced(values | {"data.sequence_length": min(128, positions)})


def _tokenizer(weights: Weights, lowercase: bool | None) -> TokenizerOptions:
    """What tokenizer_config.json says; stripping accents goes with lower-casing by default."""
    record: dict[str, Any] = {}
    for folder in weights.files.values():
        file = folder / "tokenizer_config.json"
        if file.is_file():
            record = json.loads(file.read_text(encoding="utf-8"))
            break
    lower = record.get("do_lower_case", True) if lowercase is None else lowercase
    strip = record.get("strip_accents")
    if strip is None or lowercase is not None:
        strip = lower
    return TokenizerOptions(lowercase=lower, strip_accents=strip)
