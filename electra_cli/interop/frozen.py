"""A generator that learns nothing: whose weights it has, and whether they fit.

TensorFlow is not imported: what is known of a source without reading its weights is compared before
a run begins.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from electra_cli.errors import DataError
from electra_cli.interop.huggingface_folder import SIZE_KEYS
from electra_cli.interop.reference import WORDS, Arrays
from electra_cli.interop.sizes import check_sizes, sizes_of_shapes
from electra_cli.interop.source import CHECKPOINT, Source, find_source
from electra_cli.interop.table import read_shapes
from electra_cli.interop.values import part_of
from electra_cli.modeling.architecture import Architecture, Sizes, sizes_of
from electra_cli.runs.named import own_checkpoints

_EMBEDDING = "generator embedding_size"
_SHARED = ("model.vocab_size", "model.max_position_embeddings", "model.type_vocab_size")
_HINT = (
    "--set generator.frozen=PATH names a run of objective mlm or electra, a checkpoint of one, or "
    "a folder of ElectraForMaskedLM"
)


def find_generator(path: Path) -> Source:
    """Finds a source that has a generator, as far as is known without reading its weights.

    A run's generator is the one beside its discriminator, or the only network of a masked language
    model.

    Args:
      path: What `interop.source.find_source` understands.

    Returns:
      The source, with all that is known of its sizes.

    Raises:
      InputMissingError: There is nothing at the path.
      DataError: It holds no weights in a format that is known, or none of a generator.
    """
    source, why = find_source(path), ""
    if own := own_checkpoints(path):
        objective = own[-1].config().objective
        if "generator" not in objective.networks or objective.name == "electric":
            kind = "electra with a uniform generator" if objective.uniform_generator else "electric"
            why = f"its objective is {kind}"
    elif CHECKPOINT not in source.files:
        why = "" if "generator" in source.files else "it holds a discriminator"
    elif WORDS in (shapes := read_shapes(source.files[CHECKPOINT])):  # of google-research/electra
        if not any(part_of(name) == "generator head" for name in shapes):
            why = "nothing in it is called generator_predictions"
        source = replace(source, sizes=sizes_of_shapes(shapes) | source.sizes)
    if why:
        raise DataError(f"{path} has no generator that fills masks: {why}", hint=_HINT)
    return source


def check_generator(found: Sizes, architecture: Architecture, source: Source) -> None:
    """Compares the sizes of a source's generator with those of the one to fill.

    Args:
      found: What is known of the source.
      architecture: Has a generator beside a discriminator.
      source: The source.

    Raises:
      DataError: They differ; the hint names the keys that remove the difference, if there are any.
    """
    try:
        check_sizes(_of_generator(found), sizes_of(architecture), source.path, source.vocab)
    except DataError as error:
        if "--init-allow-missing" not in error.hint:
            raise
        raise DataError(
            error.message,
            hint="no key makes such a generator: ours has heads of 64 and four times its width in "
            "its feed-forward layers; name another one",
        ) from error


def _of_generator(found: Sizes) -> Sizes:
    """The sizes of a source as those of a generator beside a discriminator of ours."""
    scope = "generator " if "generator hidden_size" in found else "model."
    keys = {f"generator {key}": f"{scope}{key}" for key in SIZE_KEYS.values()}
    keys |= {key: key for key in _SHARED}
    keys[_EMBEDDING] = _EMBEDDING if _EMBEDDING in found else "model.embedding_size"
    return {ours: found[theirs] for ours, theirs in keys.items() if theirs in found}


def generator_alone(arrays: Arrays) -> Arrays:
    """Weights of a generator, by the names of one that shares nothing.

    Args:
      arrays: All weights of a source under our names.
    """
    parts = {part_of(name) for name in arrays}
    scope = "generator/" if "generator" in parts else "electra/"
    tables = "generator/embeddings/" if "generator embeddings" in parts else "electra/embeddings/"
    found: Arrays = {}
    for name, array in arrays.items():
        if part_of(name) == "generator head":
            found[name] = array
        elif part_of(name) in ("embeddings", "generator embeddings"):
            if name.startswith(tables):
                found[f"generator/embeddings/{name.removeprefix(tables)}"] = array
        elif name.startswith(scope):
            found[f"generator/{name.removeprefix(scope)}"] = array
    return found
