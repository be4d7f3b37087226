"""Objects of a store as files here, and files here as objects: whole or not there."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TypeVar

from electra_cli.errors import DataError
from electra_cli.files.atomic import sync, sync_folder
from electra_cli.files.remote.faults import NotFoundError
from electra_cli.files.remote.store import Store

T = TypeVar("T")
OnBytes = Callable[[int], None]

AT_ONCE = 4
"""Objects that are copied side by side."""
_PIECE = 2**20  # bytes
_PART_SUFFIX = ".part"


def joined(url: str, name: str) -> str:
    """The URL of a name in a folder."""
    return f"{url.rstrip('/')}/{name}"


def read_if_there(store: Store, url: str) -> bytes | None:
    """The bytes of an object; None if it is not there."""
    try:
        return store.read(url)
    except NotFoundError:
        return None


def sizes_in(store: Store, folder: str) -> dict[str, int]:
    """The sizes of all objects in a folder, by their names from there; none if it is not there."""
    begin = joined(folder, "")
    try:
        return {one.url[len(begin) :]: one.size for one in store.find(begin)}
    except NotFoundError:
        return {}


def is_inside(name: str) -> bool:
    """Whether a name that a record from elsewhere has leads to a file in its folder, none hidden.

    It may have folders before it.
    """
    parts = PurePosixPath(name).parts
    return bool(parts) and not any(part.startswith((".", "/")) for part in parts)


@dataclass(frozen=True)
class Copied:
    """A file that is to be what an object is.

    Attributes:
      url: The object.
      path: The file; its folder is there, and no other process writes to it.
      bytes: Their size.
      sha256: Their hash.
    """

    url: str
    path: Path
    bytes: int
    sha256: str

    @property
    def is_there(self) -> bool:
        """Whether the file has its size; it got its name once its hash was right."""
        return self.path.is_file() and self.path.stat().st_size == self.bytes

    @property
    def missing(self) -> int:
        """Bytes that are still to be copied."""
        if self.is_there:
            return 0
        part = self._part
        return max(0, self.bytes - (part.stat().st_size if part.is_file() else 0))

    @property
    def _part(self) -> Path:
        return self.path.with_name(f".{self.path.name}{_PART_SUFFIX}")

    def fetch(self, store: Store, on_bytes: OnBytes = lambda count: None) -> None:
        """Copies the object from where an earlier try has ended; the file appears once it is whole.

        Args:
          store: Where the object is.
          on_bytes: Receives how many more are there, also those of an earlier try.

        Raises:
          DataError: The object has other bytes than it should.
          OSError: The file cannot be written.
          ElectraError: The object cannot be read.
        """
        if self.is_there:
            on_bytes(self.bytes)
            return
        is_resumed = self._part.is_file()
        while self._appended(store, on_bytes) != self.sha256:
            on_bytes(-self._part.stat().st_size)
            self._part.unlink()
            if not is_resumed:
                raise DataError(
                    f"{self.url} is not what its folder says: it has other bytes",
                    hint="copy it there again, with its folder's record last",
                )
            is_resumed = False  # what was there may have been of a former object
        self._part.replace(self.path)
        sync_folder(self.path.parent)

    def _appended(self, store: Store, on_bytes: OnBytes) -> str:
        """Appends what is missing to the part, and returns the hash of what is there then."""
        digest = hashlib.sha256()
        with self._part.open("ab+") as file:
            file.seek(0)
            while piece := file.read(_PIECE):
                digest.update(piece)
                on_bytes(len(piece))
            done = file.tell()
            with store.open(self.url, is_listed=True) as stream:  # a record names it
                stream.seek(done)
                while piece := stream.read(min(_PIECE, max(0, self.bytes - done))):
                    file.write(piece)
                    digest.update(piece)
                    done += len(piece)
                    on_bytes(len(piece))
        sync(self._part)
        return digest.hexdigest()


def fetch_all(store: Store, files: Sequence[Copied], on_bytes: OnBytes) -> None:
    """Fetches files side by side; `on_bytes` hears of the sum.

    Raises:
      ElectraError, OSError: What the first that fails raises; parts stay for the next try.
    """
    done, lock, is_over = 0, threading.Lock(), threading.Event()

    def count(more: int) -> None:
        nonlocal done
        if is_over.is_set():  # ends a copy in the middle of its file
            raise InterruptedError
        with lock:
            done += more
            on_bytes(done)

    try:
        side_by_side(lambda file: file.fetch(store, count), files)
    finally:
        is_over.set()


def side_by_side(
    act: Callable[[T], object], items: Iterable[T], on_done: Callable[[T], None] = lambda item: None
) -> None:
    """Calls a function for each item, on some threads.

    Args:
      act: The function.
      items: What it is called with.
      on_done: Hears in this thread of each that has ended.

    Raises:
      BaseException: What the first call that fails raises; those that have not begun never do.
    """
    pool = ThreadPoolExecutor(AT_ONCE)
    try:
        futures: dict[Future[object], T] = {pool.submit(act, item): item for item in items}
        for future in as_completed(futures):
            future.result()
            on_done(futures[future])
    except BaseException:
        pool.shutdown(wait=False, cancel_futures=True)
        raise
    pool.shutdown()
