"""Streams of bytes out of compressed files, with limits on what they may grow to."""

from __future__ import annotations

import bz2
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
from electra_cli.files.atomic import named_if_full

# Text shrinks three- to tenfold; a whole file beyond the ratio was made to fill a disk. Short
# files may be as repetitive as they like.
MAX_RATIO = 200
UNLIMITED_BYTES = 64 * 2**20
MAX_BYTES = 2**40

_TESTS = {"gzip": "gzip -t", "zstd": "zstd -t", "xz": "xz -t", "bzip2": "bzip2 -t"}

# Nothing is wrong with these files: they ask for more memory than a reader should give.
_TOO_MUCH_MEMORY = ("Frame requires too much memory", "Memory usage limit exceeded")
_WITH_MORE_MEMORY = {"zstd": "zstd -dc --long=31", "xz": "xz -dc"}

_MakeError = Callable[[Exception], DamagedError]


class Allowance:
    """How much may come out of a compressed file or archive.

    Args:
      label: What errors call the file.
      consumed: Returns the compressed bytes read so far.
    """

    def __init__(self, label: str, consumed: Callable[[], int]) -> None:
        self._label = label
        self._consumed = consumed
        self._bytes = 0

    def charge(self, amount: int) -> None:
        """Counts bytes that came out.

        Raises:
          DamagedError: They are too many.
        """
        self._bytes += amount
        if self._bytes > MAX_BYTES:
            self._refuse(f"more than {MAX_BYTES:,} bytes come out of it")
        if self._bytes > UNLIMITED_BYTES and self._bytes > MAX_RATIO * self._consumed():
            self._refuse(
                f"{self._bytes:,} bytes came out of {self._consumed():,}, "
                f"more than {MAX_RATIO} times as many"
            )

    def _refuse(self, why: str) -> None:
        raise DamagedError(
            f"{self._label} looks like a decompression bomb: {why}",
            hint="leave the file out; if you trust it, decompress it yourself",
        )


class _Guarded(io.RawIOBase):
    """Reads another stream in full, charges an allowance and turns its errors into ours.

    What could be read before an error is handed out first.
    """

    def __init__(
        self, inner: Any, fault: _MakeError, allowance: Allowance | None, *, ends_archive: bool
    ) -> None:
        # All at once would be lost with an error in the midst of it.
        self._read: Callable[[int], bytes] = getattr(inner, "read1", inner.read)
        self._error: DamagedError | None = None
        self._fault = fault
        self._allowance = allowance
        self._ends_archive = ends_archive

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
            # failure of the disk has one.
            if isinstance(error, OSError) and error.errno is not None:
                raise
            if isinstance(error, MemoryError):
                raise
            self._error = self._fault(error)
            self._error.__cause__ = error
        if self._error:
            self._error.ends_archive |= self._ends_archive
            if not filled:
                raise self._error
        if self._allowance:
            self._allowance.charge(filled)
        return filled


def guarded(
    inner: Any, fault: _MakeError, *, allowance: Allowance | None = None, ends_archive: bool = False
) -> io.BufferedReader:
    """A stream whose errors are a DamagedError, and that can be peeked `HEAD_BYTES` far.

    Args:
      inner: Anything with `read(n)`.
      fault: A function that makes the error out of what `inner` raises.
      allowance: The allowance that is charged with what is read.
      ends_archive: Whether `inner` is a part of an archive's stream, and its errors are that's.
    """
    raw = _Guarded(inner, fault, allowance, ends_archive=ends_archive)
    return io.BufferedReader(raw, HEAD_BYTES)


def uncompressed(stream: io.BufferedReader, label: str) -> io.BufferedReader:
    """The content of a stream that may be compressed.

    Args:
      stream: At its beginning.
      label: What errors call it.

    Raises:
      DamagedError: While reading: it is damaged, cut off, or grows beyond the limits.
    """
    compression = detect_compression(stream.peek(HEAD_BYTES))
    if compression is None:
        return stream
    consumed = _Consumed(stream)
    return guarded(
        _decoder(compression, consumed),
        partial(_fault, label, compression),
        allowance=Allowance(label, lambda: consumed.bytes),
    )


def _fault(label: str, compression: Compression, error: Exception) -> DamagedError:
    if any(words in str(error) for words in _TOO_MUCH_MEMORY):
        return DamagedError(
            f"{label}: its {compression} window needs more memory than 128 MiB",
            hint="decompress it yourself, and leave it out here: "
            f"`{_WITH_MORE_MEMORY[compression]} FILE | electra prepare-data - …`",
        )
    return DamagedError(
        f"{label}: damaged or truncated {compression} ({error})",
        hint=f"make or fetch the file again; `{_TESTS[compression]}` tests it",
    )


class _Consumed(io.RawIOBase):
    """Counts what a decoder has read."""

    def __init__(self, inner: BinaryIO) -> None:
        self._inner = inner
        self.bytes = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._inner.read(len(buffer))
        buffer[: len(data)] = data
        self.bytes += len(data)
        return len(data)


class _Streams:
    """What several compressed streams in a row hold, as parallel compressors write them.

    The standard library's files take a later stream that begins with damaged data for garbage
    behind the end, and leave it out without a word.

    Args:
      source: Compressed bytes.
      new: A function that makes a decompressor.
      padding: A byte that may stand between streams.
    """

    def __init__(self, source: BinaryIO, new: Callable[[], Any], padding: bytes = b"") -> None:
        self._source = source
        self._new = new
        self._padding = padding
        self._decoder = new()

    def read(self, size: int) -> bytes:
        """Up to `size` bytes; none at the end of the last stream."""
        found = b""
        while not found:
            data = b""
            if self._decoder.eof:
                data = self._decoder.unused_data
                while not (data := data.lstrip(self._padding)):
                    data = self._source.read(HEAD_BYTES)
                    if not data:
                        return b""
                self._decoder = self._new()
            elif self._decoder.needs_input:
                data = self._source.read(HEAD_BYTES)
                if not data:
                    raise EOFError("it ends before the end of a stream")
            found = self._decoder.decompress(data, size)
        return found


def _xz_decompressor() -> lzma.LZMADecompressor:
    # A file says how much it needs, at will; `xz -9` needs half of this.
    return lzma.LZMADecompressor(memlimit=128 * 2**20)


def _decoder(compression: Compression, stream: io.RawIOBase) -> Any:
    source = cast("BinaryIO", stream)
    if compression == "gzip":
        return gzip.GzipFile(fileobj=source)
    if compression == "bzip2":
        return _Streams(source, bz2.BZ2Decompressor)
    if compression == "xz":
        return _Streams(source, _xz_decompressor, padding=b"\0")
    # Slow to import. The reader of zstandard would not notice that a file is cut off.
    import pyarrow

    return pyarrow.CompressedInputStream(source, "zstd")


@contextmanager
def seekable(stream: io.BufferedReader) -> Iterator[BinaryIO]:
    """A stream for formats with an index at the end: itself if it can seek, else a copy.

    The copy is an anonymous temporary file.

    Raises:
      IOFailedError: The folder for temporary files is full.
    """
    if stream.seekable():
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
