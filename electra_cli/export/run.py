"""`electra export`: from a checkpoint to a folder that other tools read, checked on the way."""

from __future__ import annotations

import importlib.util
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from electra_cli.config.choices import Network
from electra_cli.environment import prepare_tensorflow
from electra_cli.errors import ConfigError, OutputError
from electra_cli.export.places import (
    FORMATS,
    HUGGINGFACE,
    ONNX,
    REFERENCE,
    SAVED_MODEL,
    placed,
)
from electra_cli.files.atomic import DISK_IS_FULL, locked_folder
from electra_cli.modeling.architecture import Architecture
from electra_cli.sources.open import open_source
from electra_cli.training.devices.strategy import build_strategy, parse_device

if TYPE_CHECKING:
    from electra_cli.export.checks.parity import Parity
    from electra_cli.sources.exportable import Exportable

_ONNX_PACKAGES = ("onnx", "onnxruntime")  # of the extra


@dataclass(frozen=True)
class Exported:
    """What was written.

    Attributes:
      checkpoint: Prefix of the checkpoint it was made from.
      format: One of FORMATS.
      output: The folder.
      networks: Networks of pretraining that the files hold, the one to fine-tune first.
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
    only: Network | None = None,
    reference_config: Path | None = None,
    vocab: Path | None = None,
    lowercase: bool | None = None,
    on_progress: Callable[[str], None] = lambda stage: None,
) -> Exported:
    """Exports a checkpoint; the output folder is there complete and checked, or not at all.

    Args:
      checkpoint: A run folder (its newest checkpoint is meant) or a checkpoint's prefix; what
        `electra finetune` wrote (its best run is meant) or a run in it; or weights of another
        project, as `interop.source.find_source` understands them.
      format: One of FORMATS.
      output: The folder to make; it may exist if it is empty.
      only: The one network of pretraining to write; None for those that the format is of.
      reference_config: Sizes of a checkpoint of the reference; see `open_foreign`.
      vocab: The vocabulary of weights of another project; see `open_foreign`.
      lowercase: Whether their tokenizer lower-cases; see `open_foreign`.
      on_progress: Receives what begins.

    Raises:
      ConfigError: An unknown format, one whose packages are not installed, one that has no place
        for a network that is asked for, a network that is not there, or options that are of no use.
      InputMissingError: There is no such checkpoint.
      DataError: It is no run folder, or something in it is damaged.
      OutputError: The output exists, or cannot be made.
      TrainingError: What was written does not compute what the model computes.
      OSError: Writing failed half way.
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
        source = open_source(
            checkpoint,
            reference_config=reference_config,
            vocab=vocab,
            lowercase=lowercase,
            scratch=Path(scratch),
            takes_finetuned=True,
            on_progress=on_progress,
        )
        item = placed(source, format, checkpoint, only)
        if tuple(source.networks) == ("discriminator",) and format in (HUGGINGFACE, REFERENCE):
            on_progress("there is no generator: only the discriminator is written")
        if item.is_electric:
            on_progress("the discriminator's logits are energies: the card says how to read them")
        if item.config.model.document_attention:
            on_progress("the training attended within documents, this model to whole rows")
        for note in (*_notes(item, format), *_notes_on_widths(item, format)):
            on_progress(note)
        with _all_or_nothing(output) as folder:
            on_progress(f"loading {item.path}")
            prepare_tensorflow()
            build_strategy(parse_device("cpu"))  # a GPU may be in use, and numbers are compared
            # Imported here: one needs packages that are an extra.
            module = import_module(f"electra_cli.export.formats.{FORMATS[format]}")
            model = item.load_model()
            on_progress(f"writing {format}")
            with _failures_name(output):
                module.write(model, item, folder)
            on_progress("reading it back and comparing it with the model")
            parity = module.check(model, item, folder)
            files = sorted(
                str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()
            )
    return Exported(item.path, format, output, item.networks, files, parity)


def _notes(item: Exportable, format: str) -> Iterator[str]:
    """What a format lacks of a tokenizer that is no WordPiece of ours, in sentences."""
    if item.tokenizer is not None or (tokenizer := item.text_ids) is None:
        return
    from electra_cli.export.formats.given_tokenizer import adds_special

    special = tokenizer.special
    cls, sep = tokenizer.tokens[special.cls], tokenizer.tokens[special.sep]
    if format == SAVED_MODEL:
        yield (
            "there is no signature for text: TensorFlow has no such tokenizer within a graph, so "
            "the model takes ids, as the library tokenizers makes them with "
            f"{tokenizer.file}, which is written as it was given"
        )
    elif format == REFERENCE:
        yield (
            "there is no vocab.txt, which google-research/electra needs for text: the tokenizer is "
            f"no WordPiece, and {tokenizer.file} is written as it was given"
        )
    elif not adds_special(tokenizer):
        yield (
            f"{tokenizer.file} is written as it was given, and does not put {cls} and {sep} where "
            "the training did: the model card has the lines of Python that do"
        )


def _notes_on_widths(item: Exportable, format: str) -> Iterator[str]:
    """What the reference cannot do with embeddings of a generator's own, in sentences."""
    architecture = Architecture.of(item.config).plain
    own, generator = architecture.own_embedding, architecture.generator
    is_written = format == REFERENCE and "generator" in item.networks
    if is_written and generator is not None and own not in (None, generator.hidden):
        yield (
            f"the generator has embeddings of its own, {own} wide, and google-research/electra "
            f"makes such ones as wide as the generator alone, {generator.hidden}: it can fine-tune "
            "the discriminator of this checkpoint, and cannot go on to pretrain from it"
        )


@contextmanager
def _failures_name(output: Path) -> Iterator[None]:
    """Makes a full disk's errors say what could not be written, not which temporary file."""
    import tensorflow as tf

    try:
        yield
    except (OSError, tf.errors.OpError) as error:
        full = (n for n in DISK_IS_FULL if os.strerror(n) in str(error))
        if (number := next(full, None)) is None:
            raise
        raise OSError(number, os.strerror(number), str(output)) from error


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
    # Its lock keeps out another export to the same folder; what a killed one left in it goes.
    temporary = final.with_name(f".{final.name}.export")
    with _failures_to_make(output):
        temporary.mkdir(parents=True, exist_ok=True)
    with locked_folder(temporary):
        try:
            for path in temporary.iterdir():
                shutil.rmtree(path) if path.is_dir() else path.unlink()
            yield temporary
            with _failures_to_make(output):
                temporary.rename(final)
        except BaseException:
            shutil.rmtree(temporary, ignore_errors=True)
            raise


@contextmanager
def _failures_to_make(output: Path) -> Iterator[None]:
    """Names the folder that cannot be made; a full disk is no wrong choice of one."""
    try:
        yield
    except OSError as error:
        if error.errno in DISK_IS_FULL:
            raise
        raise OutputError(
            f"cannot make output folder {output}: {error.strerror}",
            hint="choose a folder you can write to with --output",
        ) from error
