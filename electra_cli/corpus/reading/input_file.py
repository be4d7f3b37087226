"""One file of text, and what is in it."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from hashlib import blake2b
from pathlib import Path
from typing import Any

from electra_cli.corpus.reading.containers.compression import uncompressed
from electra_cli.corpus.reading.formats import HEAD_BYTES, detect_format
from electra_cli.corpus.reading.naming import Format, FormatOption
from electra_cli.errors import DataError
from electra_cli.files.remote.place import Place
from electra_cli.files.remote.store import Store
from electra_cli.files.remote.stream import Stream

STANDARD_INPUT = Path("-")

# The fingerprint is taken of so many blocks, evenly spaced, of so many bytes.
_SAMPLES = 16
_SAMPLE_BYTES = 4096


@dataclass(frozen=True)
class InputFile:
    """One file of text.

    Attributes:
      path: Where it is now; a URL is a text.
      name: Relative to the input it was found under, so that a moved corpus keeps its names.
      size: Bytes on disk, or in the store.
      label: What errors call it.
      format: Of its content, when it is uncompressed.
      compressed: Whether it is compressed as a whole.
      fingerprint: Of its content; copies on disks have the same, and those in stores if the store
        knows them by the same tag.
      is_stream: Whether it is read from its beginning to its end, although it could be cut.
    """

    path: Place
    name: str
    size: int
    label: str
    format: Format
    compressed: bool
    fingerprint: str
    is_stream: bool = False

    @property
    def splits_at_bytes(self) -> bool:
        """Whether reading can begin anywhere in the file, at the next document."""
        return self.format in ("txt", "jsonl") and not self.compressed and not self.is_stream

    @property
    def splits_at_row_groups(self) -> bool:
        """Whether reading can begin at any row group."""
        return self.format == "parquet" and not self.compressed

    def opened(self, until: int | None = None) -> io.FileIO | Stream:
        """The bytes of the file that was planned with; arguments and errors as of `opened`.

        Raises:
          DataError: It has another content by now.
        """
        raw = opened(self.path, until)
        try:
            if _identified(raw) != (self.size, self.fingerprint):
                raise changed_input(self.label)
        except BaseException:
            raw.close()
            raise
        return raw


Detect = Callable[[bytes, str, str], Format | None]


def opened(path: Place, until: int | None = None) -> io.FileIO | Stream:
    """The bytes of a file, or of an object that was there when the inputs were looked for.

    Args:
      path: Where it is.
      until: Where reading is going to end, if it is not at its end.

    Raises:
      OSError: A file cannot be opened.
      InputMissingError, TryAgainError: An object cannot be opened.
    """
    if isinstance(path, str):
        return Store.of(path).open(path, until=until, is_listed=True)
    return io.FileIO(path)


def input_file(path: Place, name: str, label: str, detect: Detect) -> InputFile | None:
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
      InputMissingError, TryAgainError: The same of an object.
    """
    with opened(path) as raw:
        size, fingerprint = _identified(raw)
        format_, compressed = _content(raw, name, label, detect)
    if format_ is None:
        return None
    return InputFile(path, name, size, label, format_, compressed, fingerprint)


def standard_input_file(
    copy: Path, format: FormatOption, text_field: str, *, is_stream: bool
) -> InputFile:
    """Standard input, which was copied to a file; errors as of `input_file`."""
    detect = partial(detect_format, option=format, text_field=text_field)
    file = input_file(copy, "-", "standard input", detect)
    assert file is not None  # what is named is text or an error
    return replace(file, is_stream=is_stream)


def _content(raw: Any, name: str, label: str, detect: Detect) -> tuple[Format | None, bool]:
    """The format of what a file holds, and whether it is compressed."""
    with io.BufferedReader(raw, HEAD_BYTES) as stream:
        content = uncompressed(stream, label)
        head = content.peek(HEAD_BYTES)[:HEAD_BYTES]
        return detect(head, name, label), content is not stream


def _identified(raw: io.FileIO | Stream) -> tuple[int, str]:
    """The size, and a hash that files which differ by accident do not share; at the beginning.

    The hash is of the size, and of what a store calls the content, or else of samples. The time of
    the last change is not in it: a copy is as good as the file.
    """
    size = raw.seek(0, io.SEEK_END)
    digest = blake2b(str(size).encode(), digest_size=16)
    if isinstance(raw, Stream) and raw.entry.etag:
        digest.update(b" " + raw.entry.etag.encode())
    elif size <= _SAMPLES * _SAMPLE_BYTES:
        digest.update(_bytes_at(raw, 0, size))
    else:
        for number in range(_SAMPLES):
            place = (size - _SAMPLE_BYTES) * number // (_SAMPLES - 1)
            digest.update(_bytes_at(raw, place, _SAMPLE_BYTES))
    raw.seek(0)
    return size, digest.hexdigest()


def _bytes_at(raw: io.FileIO | Stream, place: int, count: int) -> bytes:
    raw.seek(place)
    return raw.read(count) or b""


def changed_input(label: str) -> DataError:
    """The error for a file that is not the one that was planned with."""
    return DataError(
        f"{label} has another content than when this preparation began",
        hint="put the former file back and run the same command again, or choose another --output "
        "and prepare the input as it is now",
    )
