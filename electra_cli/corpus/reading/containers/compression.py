"""Streams of bytes out of compressed files."""

from __future__ import annotations

import gzip
import io
import lzma
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, cast

from electra_cli.corpus.reading.faults import DamagedError
from electra_cli.corpus.reading.formats import HEAD_BYTES, Compression, detect_compression
from electra_cli.errors import ElectraError
from electra_cli.files.atomic import named_if_full

_TESTS = {"gzip": "gzip -t", "zstd": "zstd -t", "xz": "xz -t", "bzip2": "bzip2 -t"}

# Nothing is wrong with such a file of zstd: it asks for more memory than a reader should give.
_TOO_MUCH_MEMORY = "Frame requires too much memory"

_MakeError = Callable[[Exception], DamagedError]


class _Guarded(io.RawIOBase):
    """Reads another stream in full and turns its errors into ours.

    What could be read before an error is handed out first.
    """

    def __init__(self, inner: Any, fault: _MakeError) -> None:
        # All at once would be lost with an error in the midst of it.
        self._read: Callable[[int], bytes] = getattr(inner, "read1", inner.read)
        self._error: DamagedError | None = None
        self._fault = fault

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer)
        filled = 0
        if self._error:
            raise self._error
        try:
            while filled < len(view) and (data := self._read(len(view) - filled)):
                view[filled : filled + len(data)] = data
                filled += len(data)
        except DamagedError as error:  # of a stream further in
            self._error = error
        except Exception as error:
            # Decoders raise what they like, OSError without a number among it. A real
            # failure of the disk has one, and that of a store is ours.
            if isinstance(error, OSError) and error.errno is not None:
                raise
            if isinstance(error, MemoryError | ElectraError):
                raise
            self._error = self._fault(error)
            self._error.__cause__ = error
        if self._error and not filled:
            raise self._error
        return filled


def guarded(inner: Any, fault: _MakeError) -> io.BufferedReader:
    """A stream whose errors are a DamagedError, and that can be peeked `HEAD_BYTES` far.

    Args:
      inner: Anything with `read(n)`.
      fault: A function that makes the error out of what `inner` raises.
    """
    return io.BufferedReader(_Guarded(inner, fault), HEAD_BYTES)


def uncompressed(stream: io.BufferedReader, label: str) -> io.BufferedReader:
    """The content of a stream that may be compressed.

    Args:
      stream: At its beginning.
      label: What errors call it.

    Raises:
      DamagedError: While reading: it is damaged or cut off.
    """
    compression = detect_compression(stream.peek(HEAD_BYTES))
    if compression is None:
        return stream
    return guarded(_decoder(compression, stream), partial(_fault, label, compression))


def _fault(label: str, compression: Compression, error: Exception) -> DamagedError:
    if _TOO_MUCH_MEMORY in str(error):
        return DamagedError(
            f"{label}: its {compression} window needs more memory than 128 MiB",
            hint="decompress it yourself, and leave it out here: "
            "`zstd -dc --long=31 FILE | electra prepare-data - …`",
        )
    return DamagedError(
        f"{label}: damaged or truncated {compression} ({error})",
        hint=f"make or fetch the file again; `{_TESTS[compression]}` tests it",
    )


class _XzStreams:
    """What xz streams in a row hold, as parallel compressors write them, padded with zeros or not.

    The standard library's file ends at padding, and where a later stream begins with damage, and
    passes over the rest without a word.
    """

    def __init__(self, source: BinaryIO) -> None:
        self._source = source
        self._decoder = lzma.LZMADecompressor()

    def read(self, size: int) -> bytes:
        """Up to `size` bytes; none at the end of the last stream."""
        found = b""
        while not found:
            data = b""
            if self._decoder.eof:
                data = self._decoder.unused_data
                while not (data := data.lstrip(b"\0")):
                    if not (data := self._source.read(HEAD_BYTES)):
                        return b""
                self._decoder = lzma.LZMADecompressor()
            elif self._decoder.needs_input and not (data := self._source.read(HEAD_BYTES)):
                raise EOFError("it ends before the end of a stream")
            found = self._decoder.decompress(data, size)
        return found


def _decoder(compression: Compression, source: BinaryIO) -> Any:
    if compression == "gzip":
        return gzip.GzipFile(fileobj=source)
    if compression == "xz":
        return _XzStreams(source)
    # Slow to import. The readers of zstandard and bz2 would not notice every file that is cut off.
    import pyarrow

    return pyarrow.CompressedInputStream(source, {"bzip2": "bz2"}.get(compression, compression))


@contextmanager
def seekable(stream: io.BufferedReader, *, is_mapped: bool = False) -> Iterator[BinaryIO]:
    """A stream for formats with an index at the end: itself if it can seek, else a copy.

    The copy is an anonymous temporary file.

    Args:
      stream: At its beginning.
      is_mapped: Whether it is to be mapped into memory, as only a file here can be.

    Raises:
      IOFailedError: The folder for temporary files is full.
    """
    if stream.seekable() and (not is_mapped or _is_file(stream)):
        yield stream
        return
    with tempfile.TemporaryFile() as copy:
        with named_if_full(
            Path(tempfile.gettempdir()),
            lambda: f"a table or zip that is copied there needs more than {copy.tell():,}",
            hint="set TMPDIR=FOLDER to a folder with more room and run the same command again",
        ):
            shutil.copyfileobj(stream, copy, 2**20)
            copy.flush()
        copy.seek(0)
        yield cast("BinaryIO", copy)


def _is_file(stream: BinaryIO) -> bool:
    try:
        stream.fileno()
    except OSError:
        return False
    return True
