"""Weights of other projects as a source: checkpoints of the reference, Hugging Face folders."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from electra_cli.config.schema import Config
from electra_cli.corpus.manifest import TokenizerOptions
from electra_cli.corpus.vocabulary import SpecialIds, load_vocabulary, special_ids
from electra_cli.environment import prepare_tensorflow
from electra_cli.errors import ConfigError, DataError, InputMissingError
from electra_cli.export.source import Source
from electra_cli.interop.sizes import Sizes, check_sizes, sizes_of
from electra_cli.interop.source import CHECKPOINT, find_source
from electra_cli.interop.source import Source as Weights
from electra_cli.modeling.architecture import Architecture

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
_ONLY = (
    "electra's generators have the layers of the discriminator, heads of 64 and four times their "
    "width; others cannot be converted"
)


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
        sizes = _infer(weights.files[CHECKPOINT]) | sizes
        told = ", ".join(f"{key} {size}" for key, size in sizes.items())
        on_progress(f"sizes inferred from the weights (heads are 64 wide): {told}")
    config = _configuration(sizes, reference_config or path)
    with _hint(_ONLY):
        check_sizes(sizes, sizes_of(Architecture.of(config)), reference_config or path)
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
    from electra_cli.modeling.electra import ElectraModel

    architecture = Architecture.of(config)
    model = ElectraModel(architecture)
    with _hint("the weights need a whole discriminator, and --reference-config their sizes"):
        weights.check(architecture)
        report = load_weights(model, weights, allow_missing=["generator"])
    unused = [name for name in report.unused if not name.endswith(".position_ids")]
    if unused:
        more = f" and {len(unused) - 3} more" if unused[3:] else ""
        raise DataError(
            f"{weights.path} holds weights that have no place in the model: "
            f"{', '.join(unused[:3])}{more}",
            hint="without them it would be another model; both networks have to share their "
            "embeddings, and each needs its own layers and head and nothing else",
        )
    return model


@contextmanager
def _hint(hint: str) -> Iterator[None]:
    """Gives an error this hint instead of one with options that export does not have."""
    try:
        yield
    except DataError as error:
        if "--set " in error.hint or "--init-allow-missing" in error.hint:
            raise DataError(error.message, hint=hint) from error
        raise


def _infer(prefix: Path) -> Sizes:
    """Sizes from the shapes of a checkpoint's weights, with heads as the reference scales them."""
    prepare_tensorflow()
    from electra_cli.interop.checkpoint import read_checkpoint
    from electra_cli.interop.sizes import sizes_of_arrays

    values = read_checkpoint(prefix)
    sizes = sizes_of_arrays(values.arrays)
    for network in ("model.", "generator "):
        if f"{network}hidden_size" in sizes:
            heads = max(1, sizes[f"{network}hidden_size"] // _HEAD_SIZE)
            sizes[f"{network}num_attention_heads"] = heads
    return sizes | values.sizes


def _read_config(path: Path) -> Sizes:
    """Reads {"discriminator": {...}, "generator": {...}, "embedding_size": N}."""
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        sizes: Sizes = {"model.embedding_size": _size(path, record, "embedding_size")}
        for network, prefix in (("discriminator", "model."), ("generator", "generator ")):
            if network not in record:
                continue
            told = record[network]
            sizes |= {prefix + ours: _size(path, told, key, network) for key, ours in _KEYS.items()}
            if told.get("hidden_act", "gelu") != "gelu":
                raise DataError(
                    f"{path}: hidden_act of the {network} is {told['hidden_act']!r}; "
                    "ours is 'gelu' in every model",
                    hint="a model that computes otherwise cannot be converted",
                )
        told = record["discriminator"]
        sizes |= {f"model.{key}": _size(path, told, key, "discriminator") for key in _SHARED}
    except OSError as error:
        raise InputMissingError(
            f"no reference configuration at {path} ({error.strerror})",
            hint="check --reference-config, or leave it out to infer the sizes",
        ) from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(
            f"{path} is no configuration of the reference: {error!r}",
            hint='it needs "discriminator", "generator" and "embedding_size", the first two with '
            f"{', '.join((*_KEYS, *_SHARED))}",
        ) from error
    return sizes


def _size(path: Path, record: dict[str, Any], key: str, network: str = "") -> int:
    size = record[key]
    if type(size) is not int or size < 1:
        of = f" of the {network}" if network else ""
        raise DataError(
            f"{path}: {key}{of} is {size!r}, not an integer of at least 1",
            hint="correct it, or leave --reference-config out to infer the sizes",
        )
    return size


def _configuration(sizes: Sizes, path: Path) -> Config:
    """A configuration with these sizes; what is not known of the generator stays at its default."""
    for key, size in sizes.items():
        if size < 1:
            raise DataError(f"{path}: {key} is {size}", hint="sizes begin at 1: copy it again")
    if "model.hidden_size" not in sizes:
        raise DataError(
            f"{path} has no discriminator", hint="name weights that have one: it is what is used"
        )
    values: dict[str, Any] = {k: size for k, size in sizes.items() if k.startswith("model.")}
    width = sizes.get("generator hidden_size")
    if width is not None:
        values["generator.size"] = width / sizes["model.hidden_size"]
    positions = sizes.get("model.max_position_embeddings", 512)
    try:
        return Config().replaced(values | {"data.sequence_length": min(128, positions)})
    except ConfigError as error:
        raise _no_model(path, error.message) from error
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        raise _no_model(path, f"{key} is {first['input']}: {first['msg']}") from error


def _no_model(path: Path, reason: str) -> DataError:
    return DataError(
        f"{path} has sizes that no model of electra has: {reason}",
        hint="--reference-config FILE.json tells the sizes of a checkpoint; other weights of these "
        "sizes cannot be converted",
    )


def _tokenizer(weights: Weights, lowercase: bool | None) -> TokenizerOptions:
    """What tokenizer_config.json says; stripping accents goes with lower-casing by default."""
    record: dict[str, Any] = {}
    for folder in weights.files.values():
        file = folder / "tokenizer_config.json"
        if file.is_file():
            record = _tokenizer_config(file)
            break
    lower = record.get("do_lower_case", True) if lowercase is None else lowercase
    strip = record.get("strip_accents")
    if strip is None or lowercase is not None:
        strip = lower
    return TokenizerOptions(lowercase=lower, strip_accents=strip)


def _tokenizer_config(file: Path) -> dict[str, Any]:
    hint = "copy it again, or move it away and say --lowercase or --no-lowercase"
    try:
        record = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{file} cannot be read: {error}", hint=hint) from error
    if not isinstance(record, dict):
        raise DataError(f"{file} is no JSON object", hint=hint)
    for key, allowed in (("do_lower_case", (True, False)), ("strip_accents", (True, False, None))):
        value = record.get(key, False)
        if not any(value is choice for choice in allowed):
            choices = "true, false or null" if None in allowed else "true or false"
            raise DataError(f"{file}: {key} is {value!r}, not {choices}", hint=hint)
    return record
