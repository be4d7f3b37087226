"""`electra export`: from a checkpoint to a folder that other tools read, checked on the way."""

from __future__ import annotations

import glob
import importlib.util
import os
import re
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from electra_cli.environment import prepare_tensorflow
from electra_cli.errors import ConfigError, IOFailedError, OutputError, TryAgainError
from electra_cli.export.sources.exportable import Exportable, open_own
from electra_cli.export.sources.foreign import open_foreign
from electra_cli.files.atomic import DISK_IS_FULL, locked_folder
from electra_cli.files.layout import is_prefix
from electra_cli.runs.named import find_checkpoints, own_checkpoints
from electra_cli.runs.run_folder import RunFolder

if TYPE_CHECKING:
    from electra_cli.export.checks.parity import Parity

# A line a format, with its file in formats/, which has the functions `write` and `check`.
FORMATS = {
    "huggingface": "huggingface",
    "saved-model": "saved_model",
    "onnx": "onnx_model",
    "reference": "reference",
}
HUGGINGFACE, SAVED_MODEL, ONNX, REFERENCE = FORMATS

_ONNX_PACKAGES = ("onnx", "onnxruntime")  # of the extra


@dataclass(frozen=True)
class Exported:
    """What was written.

    Attributes:
      checkpoint: Prefix of the checkpoint it was made from.
      format: One of FORMATS.
      output: The folder.
      networks: Whose weights they hold, the one to fine-tune first.
      files: Its files, relative to it.
      parity: How the files compare with the model.
    """

    checkpoint: Path
    format: str
    output: Path
    networks: Sequence[str]
    files: list[str]
    parity: Parity


def export(
    *,
    checkpoint: Path,
    format: str,
    output: Path,
    reference_config: Path | None = None,
    vocab: Path | None = None,
    lowercase: bool | None = None,
    on_progress: Callable[[str], None] = lambda stage: None,
) -> Exported:
    """Exports a checkpoint; the output folder is there complete and checked, or not at all.

    Args:
      checkpoint: A run folder (its newest checkpoint is meant) or a checkpoint's prefix; or
        weights of another project, as `interop.source.find_source` understands them.
      format: One of FORMATS.
      output: The folder to make; it may exist if it is empty.
      reference_config: Sizes of a checkpoint of the reference; see `open_foreign`.
      vocab: The vocabulary of weights of another project; see `open_foreign`.
      lowercase: Whether their tokenizer lower-cases; see `open_foreign`.
      on_progress: Receives what begins.

    Raises:
      ConfigError: An unknown format, one whose packages are not installed or whose network the
        source does not have, or options that it has no use for.
      InputMissingError: There is no such checkpoint.
      DataError: It is no run folder, or something in it is damaged.
      OutputError: The output exists, or cannot be made.
      TrainingError: What was written does not compute what the model computes.
      IOFailedError, OSError: Writing failed half way.
    """
    if format not in FORMATS:
        raise ConfigError(f"unknown format {format}", hint=f"choose one of {', '.join(FORMATS)}")
    missing = [name for name in _ONNX_PACKAGES if importlib.util.find_spec(name) is None]
    if format == ONNX and missing:
        raise ConfigError(
            f"format {format} needs {' and '.join(missing)}, which this Python does not have",
            hint="pip install '.[onnx]'",
        )
    with TemporaryDirectory(prefix="electra-") as scratch:
        if _is_ours(checkpoint):
            if (reference_config, vocab, lowercase) != (None, None, None):
                raise ConfigError(
                    f"{checkpoint} is a run of electra, which knows its sizes and its tokenizer",
                    hint="leave out --reference-config, --vocab and --lowercase",
                )
            item = open_own(find_checkpoints(checkpoint)[-1])
        else:
            item = open_foreign(
                checkpoint,
                reference_config=reference_config,
                vocab=vocab,
                lowercase=lowercase,
                scratch=Path(scratch),
                on_progress=on_progress,
            )
        if "discriminator" not in item.networks and format in (SAVED_MODEL, ONNX):
            raise ConfigError(
                f"format {format} holds a discriminator, which objective "
                f"{item.config.objective.name} of {checkpoint} does not train",
                hint=f"--format {HUGGINGFACE}, or --format {REFERENCE}",
            )
        if not item.has_generator and format in (HUGGINGFACE, REFERENCE):
            on_progress("there is no generator: only the discriminator is written")
        with _all_or_nothing(output) as folder:
            on_progress(f"loading {item.path}")
            prepare_tensorflow()
            parity = _write_and_check(item, format, folder, output, on_progress)
            files = sorted(
                str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()
            )
    return Exported(item.path, format, output, item.networks, files, parity)


def _is_ours(path: Path) -> bool:
    """True for a run of ours, and for what is not there, which `find_checkpoints` reports."""
    there = path.exists() or is_prefix(path)
    return not there or RunFolder(path).is_run or bool(own_checkpoints(path))


def _write_and_check(
    item: Exportable,
    format: str,
    folder: Path,
    output: Path,
    on_progress: Callable[[str], None],
) -> Parity:
    # Imported here: one needs packages that are an extra.
    module = import_module(f"electra_cli.export.formats.{FORMATS[format]}")
    model = item.load_model()
    on_progress(f"writing {format}")
    with _failures_name(output):
        module.write(model, item, folder)
    on_progress("reading it back and comparing it with the model")
    return module.check(model, item, folder)


@contextmanager
def _failures_name(output: Path) -> Iterator[None]:
    """Makes the errors of writing say what could not be written, not which temporary file."""
    import tensorflow as tf

    try:
        yield
    except OSError as error:
        if error.errno not in DISK_IS_FULL:
            raise
        raise OSError(error.errno, os.strerror(error.errno), str(output)) from error
    except tf.errors.OpError as error:
        full = any(os.strerror(number) in str(error) for number in DISK_IS_FULL)
        if isinstance(error, tf.errors.ResourceExhaustedError) and not full:
            raise  # memory
        # "{{function_node …}} FILE; REASON [Op:…]", of which only the reason is for people.
        first = re.sub(r"\{\{.*?\}\}\s*|\s*\[Op:\w*\]", "", str(error).splitlines()[0])
        raise IOFailedError(
            f"cannot write {output}: {first.rpartition('; ')[2]}",
            hint="free some space and run the same command again" if full else "",
        ) from error


@contextmanager
def _all_or_nothing(output: Path) -> Iterator[Path]:
    """Yields a temporary folder beside `output` that becomes it if the block ends well."""
    final = output.resolve()
    if os.path.ismount(final):
        raise OutputError(
            f"output {output} is a mount point, which cannot appear at once and complete",
            hint=f"--output {output / 'NAME'}",
        )
    if final.exists() and (not final.is_dir() or any(final.iterdir())):
        raise OutputError(
            f"output {output} exists{' and is not empty' if final.is_dir() else ', and is a file'}",
            hint="choose another --output, or delete this one yourself if it is not needed",
        )
    temporary = final.with_name(f".{final.name}.export-{os.getpid()}")
    _remove_leftovers(final)
    try:
        lock = _make_and_lock(temporary)
    except OSError as error:
        if error.errno in DISK_IS_FULL:
            raise
        raise _cannot_make(output, error) from error
    try:
        with lock:
            yield temporary
            try:
                temporary.rename(final)
            except OSError as error:
                raise _cannot_make(output, error) from error
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise


def _make_and_lock(folder: Path) -> ExitStack:
    """Makes a folder and returns its lock, held.

    Another export takes the folder for a leftover, and removes it, until it is locked.
    """
    while True:
        folder.mkdir(parents=True)
        with suppress(FileNotFoundError), ExitStack() as stack:
            stack.enter_context(locked_folder(folder, wait=True))
            if folder.is_dir():
                return stack.pop_all()


def _remove_leftovers(final: Path) -> None:
    """Removes what killed exports to the same folder left; those that still run hold a lock."""
    for folder in final.parent.glob(f".{glob.escape(final.name)}.export-*"):
        if not re.fullmatch(r"\d+", folder.name.rpartition("-")[2]):
            continue  # a name that this command does not give
        with suppress(TryAgainError, OSError), locked_folder(folder, required=True):
            shutil.rmtree(folder)


def _cannot_make(output: Path, error: OSError) -> OutputError:
    return OutputError(
        f"cannot make output folder {output}: {error.strerror}",
        hint="choose a folder you can write to with --output",
    )
