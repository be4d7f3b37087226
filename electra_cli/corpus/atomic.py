"""Files that are there whole or not at all, and the lock of a folder that is being written."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from electra_cli.errors import TryAgainError

TEMPORARY_SUFFIX = ".tmp"


def atomic_write_bytes(path: Path, data: bytes) -> None:
    """Writes a file under a temporary name beside it, syncs it to disk and renames it.

    A crash leaves the former file, or none, and at most a hidden `.NAME.tmp`.

    Raises:
      OSError: The file cannot be written; nothing is left behind.
    """
    temporary = path.with_name(f".{path.name}{TEMPORARY_SUFFIX}")
    try:
        # A plain open obeys the umask, which the functions of tempfile do not.
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


def atomic_write_text(path: Path, text: str) -> None:
    """`atomic_write_bytes` for text, in UTF-8 and with the newlines that it has."""
    atomic_write_bytes(path, text.encode("utf-8"))


def remove_temporaries(folder: Path) -> None:
    """Removes what a killed writer left in a folder; call it only with the folder locked."""
    for path in folder.glob(f".*{TEMPORARY_SUFFIX}"):
        path.unlink(missing_ok=True)


@contextmanager
def locked_folder(folder: Path, *, wait: bool = False) -> Iterator[None]:
    """Holds the only writer's lock of a folder; the system releases it with the process.

    Args:
      folder: An existing folder. It is locked itself, so that no lock file is left in it.
      wait: Wait for another writer to finish instead of raising.

    Raises:
      TryAgainError: Another process holds the lock.
    """
    handle = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            raise TryAgainError(
                f"another process is writing to {folder}",
                hint="wait until it has finished, then run the same command again",
            ) from None
        except OSError:
            pass  # a file system without locks: renames still keep every single file whole
        yield
    finally:
        os.close(handle)


def _sync_folder(folder: Path) -> None:
    """Makes a rename durable."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError:
        pass  # some network file systems do not sync folders
    finally:
        os.close(handle)
