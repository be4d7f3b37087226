"""The sizes of a model as keys of the configuration, to say what makes two models fit."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt

from electra_cli.config.schema import GeneratorSizes
from electra_cli.errors import DataError
from electra_cli.modeling.architecture import Sizes

_TABLES = {
    "electra/embeddings/word_embeddings": ("model.vocab_size", "model.embedding_size"),
    "electra/embeddings/position_embeddings": ("model.max_position_embeddings",),
    "electra/embeddings/token_type_embeddings": ("model.type_vocab_size",),
    "generator/embeddings/word_embeddings": ("model.vocab_size", "generator embedding_size"),
    "electra/encoder/layer_0/intermediate/dense/kernel": (
        "model.hidden_size",
        "model.intermediate_size",
    ),
    "generator/encoder/layer_0/intermediate/dense/kernel": (
        "generator hidden_size",
        "generator intermediate_size",
    ),
    "generator_ltr/encoder/layer_0/intermediate/dense/kernel": (
        "generator hidden_size",
        "generator intermediate_size",
    ),
}


_GENERATOR = "generator "
_EMBEDDING, _OWN_EMBEDDING = "model.embedding_size", "generator embedding_size"


def sizes_of_arrays(arrays: Mapping[str, npt.NDArray[np.float32]]) -> Sizes:
    """What the shapes of weights under our names say; nothing about heads."""
    return sizes_of_shapes({name: array.shape for name, array in arrays.items()})


def sizes_of_shapes(shapes: Mapping[str, tuple[int, ...]]) -> Sizes:
    """What shapes say, by our names or by the reference's; nothing about heads."""
    sizes: Sizes = {}
    for name, keys in _TABLES.items():
        if name in shapes:
            sizes |= dict(zip(keys, shapes[name], strict=False))
    scopes = {"electra": "model.", "generator": "generator ", "generator_ltr": "generator "}
    for scope, prefix in scopes.items():
        pattern = re.compile(rf"{scope}/encoder/layer_(\d+)/")
        layers = {int(match[1]) for name in shapes if (match := pattern.match(name))}
        if layers:
            sizes[f"{prefix}num_layers"] = max(layers) + 1
    return sizes


def check_sizes(found: Sizes, wanted: Sizes, path: Path, vocab: Path | None = None) -> None:
    """Compares the sizes a source is known to have with those of the model it is to fill.

    Args:
      found: The source's sizes.
      wanted: The model's sizes.
      path: Where the source is.
      vocab: What `prepare-data --vocab` is to name for a word table of its size, if that is known.

    Raises:
      DataError: They differ; it names all differences and the options that remove them.
    """
    found, here = _with_embedding(_as_in(found, wanted)), _with_embedding(wanted)
    if not _has_own(found) and _OWN_EMBEDDING not in wanted:
        found.pop(_OWN_EMBEDDING, None)  # one difference, not two
    different = [key for key, size in found.items() if size != here.get(key, size)]
    if different:
        texts = [f"{key} {found[key]} there, {here[key]} here" for key in different]
        raise DataError(
            f"{path} holds a model of other sizes: {'; '.join(texts)}",
            hint=_hint(found, wanted, different, vocab),
        )


def _as_in(found: Sizes, wanted: Sizes) -> Sizes:
    """The sizes of a source as those of the networks that a model has.

    Where there is no generator beside the main network, one of a source is that network, unless
    the source has another for it.
    """
    if any(key.startswith(_GENERATOR) for key in wanted):
        return found
    beside = {key: size for key, size in found.items() if key.startswith(_GENERATOR)}
    main = {key: size for key, size in found.items() if key not in beside}
    return {key.replace(_GENERATOR, "model."): size for key, size in beside.items()} | main


def _with_embedding(sizes: Sizes) -> Sizes:
    """Sizes with the width of what a generator beside a discriminator reads: its own or shared."""
    if "generator hidden_size" not in sizes or _EMBEDDING not in sizes:
        return dict(sizes)
    return {_OWN_EMBEDDING: sizes[_EMBEDDING]} | sizes


def _has_own(sizes: Sizes) -> bool:
    """Whether the generator reads embeddings of another width than the discriminator's."""
    return sizes.get(_OWN_EMBEDDING) != sizes.get(_EMBEDDING)


def _hint(found: Sizes, wanted: Sizes, different: list[str], vocab: Path | None) -> str:
    there = wanted | found
    width = there.get("generator hidden_size", 0)  # of no generator beside the main network
    made = GeneratorSizes.of_width(width)
    follows = {
        "generator num_attention_heads": made.heads,
        "generator intermediate_size": made.intermediate,
    }
    if any(found.get(key, size) != size for key, size in follows.items()):
        return (
            "no option makes such a generator: ours has heads of 64 and four times its width; name "
            "a source without it and --init-allow-missing generator"
        )
    options = [
        f"--set {key}={found[key]}"
        for key in different
        if key.startswith("model.") and key != "model.vocab_size"
    ]
    widths = {"generator hidden_size", "model.hidden_size"}
    if "generator hidden_size" in found and not widths.isdisjoint(different):
        options.append(f"--set generator.size={width / there['model.hidden_size']:.6g}")
    layers = there.get("generator num_layers", 0)
    share = wanted.get("generator num_layers", 0) / wanted["model.num_layers"]
    follows_ours = round(there["model.num_layers"] * share)
    if "generator num_layers" in found and layers != follows_ours:
        options.append(f"--set generator.layers={layers / there['model.num_layers']:.6g}")
    if _OWN_EMBEDDING in different:
        options += _embedding_options(found, wanted)
    hints = [" ".join(options)] if options else []
    if "model.vocab_size" in different:
        hint = (
            f"electra prepare-data INPUT --vocab {shlex.quote(str(vocab or 'FILE'))} --output DIR"
        )
        if vocab is None:
            hint += (
                f", FILE having the {found['model.vocab_size']} word pieces of the weights, a line "
                "each; [unused0], [unused1] … stand for rows of the table that have none"
            )
        hints.append(hint)
    return "; ".join(hints)


def _embedding_options(found: Sizes, wanted: Sizes) -> list[str]:
    """What gives a generator embeddings of the width that a source has for them."""
    width = found[_OWN_EMBEDDING]
    if _OWN_EMBEDDING in wanted:
        return [f"--set generator.embedding_size={width}"]
    if _EMBEDDING not in found:  # a generator alone, which may share them
        return [f"--set {_EMBEDDING}={width}"]
    return ["--set generator.sharing=none", f"--set generator.embedding_size={width}"]
