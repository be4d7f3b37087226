"""`electra export`: from a checkpoint to a folder that other tools read, checked on the way."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from electra_cli.environment import prepare_tensorflow
from electra_cli.errors import ConfigError, OutputError
from electra_cli.export.source import Source, open_source
from electra_cli.training.run_folder import find_checkpoints

if TYPE_CHECKING:
    from electra_cli.export.parity import Parity

HUGGINGFACE, SAVED_MODEL = FORMATS = ("huggingface", "saved-model")


@dataclass(frozen=True)
class Exported:
    """What was written.

    Attributes:
      checkpoint: Prefix of the checkpoint it was made from.
      format: One of FORMATS.
      output: The folder.
      files: Its files, relative to it.
      parity: How the files compare with the model.
    """

    checkpoint: Path
    format: str
    output: Path
    files: list[str]
    parity: Parity


def export(
    *,
    checkpoint: Path,
    format: str,
    output: Path,
    on_progress: Callable[[str], None] = lambda stage: None,
) -> Exported:
    """Exports a checkpoint; the output folder is there complete and checked, or not at all.

    Args:
      checkpoint: A run folder (its newest checkpoint is meant) or a checkpoint's prefix.
      format: One of FORMATS.
      output: The folder to make; it may exist if it is empty.
      on_progress: Is told what begins.

    Raises:
      ConfigError: An unknown format.
      InputMissingError: There is no such checkpoint.
      DataError: It is no run folder, or something in it is damaged.
      OutputError: The output exists, or cannot be made.
      TrainingError: What was written does not compute what the model computes.
      IOFailedError, OSError: Writing failed half way.
    """
    if format not in FORMATS:
        raise ConfigError(f"unknown format {format}", hint=f"choose one of {', '.join(FORMATS)}")
    found = find_checkpoints(checkpoint)[-1]
    source = open_source(found)
    with _all_or_nothing(output) as folder:
        on_progress(f"loading {found.prefix}")
        prepare_tensorflow()
        parity = _write_and_check(source, format, folder, on_progress)
        files = sorted(
            str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()
        )
    return Exported(found.prefix, format, output, files, parity)


def _write_and_check(
    source: Source, format: str, folder: Path, on_progress: Callable[[str], None]
) -> Parity:
    from electra_cli.export import huggingface, parity, saved_model

    model = source.load_model()
    writer, check = {
        HUGGINGFACE: (huggingface.write, parity.check_huggingface),
        SAVED_MODEL: (saved_model.write, parity.check_saved_model),
    }[format]
    on_progress(f"writing {format}")
    writer(model, source, folder)
    on_progress("reading it back and comparing it with the model")
    return check(model, source, folder)


@contextmanager
def _all_or_nothing(output: Path) -> Iterator[Path]:
    """Yields a temporary folder beside `output` that becomes it if the block ends well."""
    final = output.resolve()
    if final.exists() and (not final.is_dir() or any(final.iterdir())):
        raise OutputError(
            f"output {output} exists{' and is not empty' if final.is_dir() else ', and is a file'}",
            hint="choose another --output, or delete this one yourself if it is not needed",
        )
    temporary = final.with_name(f"{final.name}.tmp-{os.getpid()}")
    try:
        temporary.mkdir(parents=True)
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise
        raise _cannot_make(output, error) from error
    try:
        yield temporary
        try:
            temporary.rename(final)
        except OSError as error:
            raise _cannot_make(output, error) from error
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise


def _cannot_make(output: Path, error: OSError) -> OutputError:
    return OutputError(
        f"cannot make output folder {output}: {error.strerror}",
        hint="choose a folder you can write to with --output",
    )
