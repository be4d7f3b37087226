"""The weights of a generator that learns nothing, `generator.frozen`: read once, before step 1."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from electra_cli.config.schema import Config
from electra_cli.corpus.shards.manifest import Manifest
from electra_cli.errors import ElectraError
from electra_cli.files.atomic import atomic_write_text
from electra_cli.files.layout import STATE
from electra_cli.files.redaction import redacted
from electra_cli.interop.frozen import check_generator, find_generator
from electra_cli.interop.source import CHECKPOINT, Source
from electra_cli.interop.values import Report
from electra_cli.modeling.architecture import Architecture
from electra_cli.runs.run_folder import RunFolder
from electra_cli.training.plan.initial import Initial
from electra_cli.training.plan.sameness import sha256s_of

if TYPE_CHECKING:
    from electra_cli.modeling.electra import ElectraModel

_FORMAT_VERSION = 1


def with_whole_path(config: Config) -> Config:
    """The configuration as a run records it: its path means the same from any folder."""
    frozen = config.generator.frozen
    if frozen is None:
        return config
    return config.replaced({"generator.frozen": str(Path(frozen).absolute())})


def plan_frozen(config: Config, *, manifest: Manifest | None, run: RunFolder) -> Initial | None:
    """Checks what can be checked without TensorFlow; None for a run whose generator learns.

    A run that has checkpoints has the weights in them, so nothing is looked at.

    Args:
      config: The configuration, with the data's vocabulary size.
      manifest: The data's manifest; None for no data, and no comparison with it.
      run: The run folder.

    Raises:
      InputMissingError: There is nothing at the path.
      DataError: There is no generator, or one of other sizes or another tokenizer.
    """
    frozen = config.generator.frozen
    if frozen is None or run.is_saved:
        return None
    with _named():
        source = find_generator(Path(frozen))
        return Initial(source, frozenset(), tuple(_compared(source, config, manifest)))


@contextmanager
def _named() -> Iterator[None]:
    """Says in errors which key they are about."""
    try:
        yield
    except ElectraError as error:
        raise type(error)(f"generator.frozen: {error.message}", hint=error.hint) from error


def _compared(source: Source, config: Config, manifest: Manifest | None) -> list[str]:
    """What could not be compared, in sentences."""
    if manifest is None:
        return []
    warnings = source.check_tokenizer(manifest)
    check_generator(source.sizes, Architecture.of(config), source)
    return warnings


def record_frozen(frozen: Initial, run: RunFolder) -> None:
    """Records in the run folder whose weights they are, since a run that it names may go on."""
    place = frozen.source.files.get(CHECKPOINT)
    named = frozen.source.path if place is None else place.parent if place.name == STATE else place
    record = {
        "format_version": _FORMAT_VERSION,
        "path": str(named.absolute()),
        "sha256": dict(sha256s_of(frozen)),
    }
    atomic_write_text(run.frozen, json.dumps(redacted(record), indent=1) + "\n")


def load_frozen(frozen: Initial, model: ElectraModel) -> Report:
    """Loads the weights; writes nothing.

    Raises:
      DataError: They cannot be read, or do not fit the model.
    """
    from electra_cli.interop.weights import load_generator

    with _named():
        return load_generator(model, frozen.source)


def check_frozen(frozen: Initial, config: Config) -> Report:
    """Loads the weights into a model that is not kept, for a dry run.

    Raises:
      DataError: They cannot be read, or do not fit the configuration.
    """
    from electra_cli.modeling.electra import ElectraModel

    return load_frozen(frozen, ElectraModel(Architecture.of(config)))
