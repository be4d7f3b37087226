"""Files that are there whole or not at all, and the lock of a folder that is being written."""

from __future__ import annotations

import errno
import fcntl
import os
import secrets
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from electra_cli.errors import IOFailedError, TryAgainError

# There is no room, of the disk, the user's quota or the process's limit for files.
DISK_IS_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)

TEMPORARY_SUFFIX = ".tmp"


class AtomicFile:
    """A file that is written under a temporary name beside its own, synced and renamed.

    A crash leaves the former file, or none, and at most a hidden `.NAME.….tmp`. Several processes
    may write one file at once: each has a temporary name of its own.

    Args:
      path: The file to be.

    Raises:
      OSError: It cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}{TEMPORARY_SUFFIX}")
        # A plain open obeys the umask, which the functions of tempfile do not.
        self.stream = self._temporary.open("w+b")

    def commit(self) -> None:
        """Makes the file appear under its name.

        Raises:
          OSError: It cannot be written to the end; `discard` cleans up.
        """
        self.stream.flush()
        os.fsync(self.stream.fileno())
        self.stream.close()
        self._temporary.replace(self._path)
        sync_folder(self._path.parent)

    def discard(self) -> None:
        """Leaves nothing behind of a file that was not committed."""
        with suppress(OSError):  # closing writes what is buffered, to a disk that may be full
            self.stream.close()
        self._temporary.unlink(missing_ok=True)


def atomic_write_bytes(path: Path, data: bytes) -> None:
    """Writes an `AtomicFile` in one go.

    Raises:
      OSError: The file, which it names, cannot be written; nothing is left behind.
    """
    try:
        file = AtomicFile(path)
        try:
            file.stream.write(data)
            file.commit()
        finally:
            file.discard()
    except OSError as error:  # of a full disk it names nothing, of an open the temporary file
        raise OSError(error.errno, error.strerror, str(path)) from error


def atomic_write_text(path: Path, text: str) -> None:
    """`atomic_write_bytes` for text, in UTF-8 and with the newlines that it has."""
    atomic_write_bytes(path, text.encode("utf-8"))


def remove_temporaries(folder: Path) -> None:
    """Removes what a killed writer left in a folder; call it only with the folder locked."""
    for path in folder.glob(f".*{TEMPORARY_SUFFIX}"):
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


@contextmanager
def locked_folder(folder: Path, *, wait: bool = False, shared: bool = False) -> Iterator[None]:
    """Holds the only writer's lock of a folder; the system releases it with the process.

    Args:
      folder: An existing folder. It is locked itself, so that no lock file is left in it.
      wait: Wait for another writer to finish instead of raising.
      shared: Keep out only those who want the folder for themselves alone.

    Raises:
      TryAgainError: Another process holds the lock.
    """
    handle = os.open(folder, os.O_RDONLY)
    try:
        try:
            kind = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
            fcntl.flock(handle, kind | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            raise TryAgainError(
                f"another process is writing to {folder}",
                hint="wait until it has finished, then run the same command again",
            ) from None
        except OSError:  # a file system without locks; renames still keep every file whole
            pass
        yield
    finally:
        os.close(handle)


@contextmanager
def named_if_full(folder: Path, needed: Callable[[], str], *, hint: str) -> Iterator[None]:
    """Turns what the system raises for a full disk into an error that names the folder.

    Args:
      folder: The folder that is written to.
      needed: Returns how much more is needed, in words; called when the disk is full.
      hint: The hint of the error.

    Raises:
      IOFailedError: There is no room for what is written, or no quota.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in DISK_IS_FULL:
            raise
        free = shutil.disk_usage(folder).free
        raise IOFailedError(
            f"{error.strerror}: {folder} is full, {free:,} bytes are free; {needed()}", hint=hint
        ) from error


def sync(path: Path) -> None:
    """Makes what was written to a file durable."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sync_folder(folder: Path) -> None:
    """Makes a rename durable."""
    with suppress(OSError):  # some network file systems do not sync folders
        sync(folder)
