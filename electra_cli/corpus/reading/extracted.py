"""Documents between <doc …> and </doc>, as WikiExtractor writes them without its --json."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

from electra_cli.corpus.reading.faults import DamagedError

_BEGIN, _END = b"<doc id=", b"</doc>"
_LONGEST_TAG = 2**16


def extracted_texts(stream: BinaryIO, label: str) -> Iterator[BinaryIO]:
    """The texts, each as a stream that is to be read before the next.

    Args:
      stream: At the beginning.
      label: What errors call it.

    Raises:
      DamagedError: A document has no end, or there is text outside of them.
    """
    line = stream.readline(_LONGEST_TAG).removeprefix(b"\xef\xbb\xbf")
    while line:
        if line.startswith(_BEGIN):
            text = _Text(stream, label)
            yield text  # type: ignore[misc]  # as much of a stream as lines are read from
            while text.readline(_LONGEST_TAG):
                pass
        elif line.strip():
            raise _damaged(label, f"between documents is {line[:40]!r}")
        line = stream.readline(_LONGEST_TAG)


class _Text:
    """Lines up to the end of a document, in a stream that is behind its first tag."""

    def __init__(self, stream: BinaryIO, label: str) -> None:
        self._stream = stream
        self._label = label
        self._begins_line = True
        self._ended = False

    def readline(self, size: int) -> bytes:
        """A line, or as much of it as has `size` bytes; none at the end of the document."""
        if self._ended:
            return b""
        begins, line = self._begins_line, self._stream.readline(size)
        self._begins_line = line.endswith(b"\n")
        if not line:
            raise _damaged(self._label, "truncated, a document has no </doc>")
        self._ended = begins and line.strip() == _END
        return b"" if self._ended else line


def _damaged(label: str, what: str) -> DamagedError:
    return DamagedError(f"{label}: {what}", hint="make or fetch the file again")
