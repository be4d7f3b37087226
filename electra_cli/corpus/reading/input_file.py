"""One file of text, and what is in it."""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from hashlib import blake2b
from pathlib import Path
from typing import Any

from electra_cli.corpus.reading.containers.compression import uncompressed
from electra_cli.corpus.reading.formats import HEAD_BYTES, detect_format
from electra_cli.corpus.reading.naming import Format, FormatOption
from electra_cli.corpus.reading.piped import Piped
from electra_cli.errors import DataError

STANDARD_INPUT = Path("-")

# More than can ever come through a pipe whose end is not known yet.
UNKNOWN_SIZE = 2**62

# The fingerprint is taken of so many blocks, evenly spaced, of so many bytes.
_SAMPLES = 16
_SAMPLE_BYTES = 4096


@dataclass(frozen=True)
class InputFile:
    """One file of text.

    Attributes:
      path: Where it is now.
      name: Relative to the input it was found under, so that a moved corpus keeps its names.
      size: Bytes on disk; `UNKNOWN_SIZE` of what is read as it comes.
      label: What errors call it.
      format: Of its content, when it is uncompressed.
      compressed: Whether it is compressed as a whole.
      fingerprint: Of its content; copies have the same.
      piped: What comes through a pipe and is in no file.
    """

    path: Path
    name: str
    size: int
    label: str
    format: Format
    compressed: bool
    fingerprint: str
    piped: Piped | None = None

    @property
    def splits_at_bytes(self) -> bool:
        """Whether reading can begin anywhere in the file, at the next document."""
        return self.format in ("txt", "jsonl") and not self.compressed and not self.comes_once

    @property
    def splits_at_row_groups(self) -> bool:
        """Whether reading can begin at any row group."""
        return self.format == "parquet" and not self.compressed

    @property
    def comes_once(self) -> bool:
        """Whether it can be read only once, and by this process alone."""
        return self.piped is not None and self.piped.comes_once

    def open(self) -> Any:
        """Its bytes as something for `io.BufferedReader`.

        Raises:
          OSError: It cannot be opened.
        """
        return self.piped.open() if self.piped else io.FileIO(self.path)

    def check_unchanged(self) -> None:
        """Makes sure that the file is the one that was planned with.

        Raises:
          DataError: It has another content by now.
        """
        if self.piped:
            return
        try:
            with io.FileIO(self.path) as raw:
                found = _fingerprint(raw)
        except OSError:
            return  # whoever reads it says so
        if found != self.fingerprint:
            raise changed_input(self.label)


Detect = Callable[[bytes, str, str], Format | None]


def input_file(path: Path, name: str, label: str, detect: Detect) -> InputFile | None:
    """A file.

    Args:
      path: Where it is.
      name: Relative to the input it was found under.
      label: What errors call it.
      detect: Finds the format from the first bytes, the name and the label; or None, if it is no
        text.

    Returns:
      None if it is no text.

    Raises:
      UnreadableError: No reader knows it.
      DamagedError: It is damaged from its beginning.
      OSError: It cannot be read.
    """
    with io.FileIO(path) as raw:
        size, fingerprint = os.fstat(raw.fileno()).st_size, _fingerprint(raw)
        format_, compressed = _content(raw, name, label, detect)
    if format_ is None:
        return None
    return InputFile(path, name, size, label, format_, compressed, fingerprint)


def standard_input_file(source: Path | Piped, format: FormatOption, text_field: str) -> InputFile:
    """Standard input, or the file that holds it; errors as of `input_file`."""
    name, label = "-", "standard input"
    detect = partial(detect_format, option=format, text_field=text_field)
    if isinstance(source, Path):
        file = input_file(source, name, label, detect)
        assert file is not None  # what is named is text or an error
        return file
    format_, compressed = _content(io.BytesIO(source.head), name, label, detect)
    assert format_ is not None
    size = UNKNOWN_SIZE if source.comes_once else len(source.head)
    return InputFile(STANDARD_INPUT, name, size, label, format_, compressed, "", piped=source)


def _content(raw: Any, name: str, label: str, detect: Detect) -> tuple[Format | None, bool]:
    """The format of what a file holds, and whether it is compressed."""
    with io.BufferedReader(raw, HEAD_BYTES) as stream:
        content = uncompressed(stream, label)
        head = content.peek(HEAD_BYTES)[:HEAD_BYTES]
        return detect(head, name, label), content is not stream


def _fingerprint(raw: io.FileIO) -> str:
    """A hash of the size and of samples, which files that differ by accident do not share.

    The time of the last change is not in it: a copy is as good as the file.
    """
    size = os.fstat(raw.fileno()).st_size
    digest = blake2b(str(size).encode(), digest_size=16)
    if size <= _SAMPLES * _SAMPLE_BYTES:
        digest.update(os.pread(raw.fileno(), size, 0))
    else:
        for number in range(_SAMPLES):
            place = (size - _SAMPLE_BYTES) * number // (_SAMPLES - 1)
            digest.update(os.pread(raw.fileno(), _SAMPLE_BYTES, place))
    return digest.hexdigest()


def changed_input(label: str) -> DataError:
    """The error for a file that is not the one that was planned with."""
    return DataError(
        f"{label} has another content than when this preparation began",
        hint="put the former file back and run the same command again, or choose another --output "
        "and prepare the input as it is now",
    )
