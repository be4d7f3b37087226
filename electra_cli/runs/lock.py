"""One writer for a run folder; TensorFlow is not imported.

The folder itself is locked, so the system frees it with the process, however that ends.
RUN/lock.json only says who holds the lock, or held it last; that it is there marks a run folder.
"""

from __future__ import annotations

import errno
import os
import shlex
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from electra_cli.errors import IOFailedError, OutputError, TryAgainError
from electra_cli.files.atomic import locked_folder
from electra_cli.files.holder import locked_by_name
from electra_cli.files.layout import CONFIG_FILE, RUN_LOCK_FILE
from electra_cli.runs.run_folder import RunFolder


@contextmanager
def locked_run(run: RunFolder) -> Iterator[None]:
    """Makes the run folder if there is none, and holds its lock.

    A folder that it has made and in which no run has begun is removed at the end.

    Args:
      run: The run folder.

    Raises:
      OutputError: The folder cannot be made.
      IOFailedError: The disk is full.
      TryAgainError: Another process holds the lock; the message says which.
    """
    with locked_writer(run.path, lambda: run.is_run):
        yield


@contextmanager
def locked_writer(folder: Path, begun: Callable[[], bool]) -> Iterator[None]:
    """Makes a folder if there is none, and holds its lock; `locked_run` has more.

    Args:
      folder: The folder.
      begun: Whether what it has made is to stay.

    Raises:
      OutputError, IOFailedError, TryAgainError: As `locked_run`.
    """
    made = not folder.is_dir()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise cannot_write(folder, error) from error
    lock = folder / RUN_LOCK_FILE
    with locked_by_name(folder, lock):
        try:
            yield
        finally:
            if made and not begun():
                with suppress(OSError):
                    lock.unlink(missing_ok=True)
                    folder.rmdir()


def is_locked(run: RunFolder) -> bool:
    """Whether a process holds the run's lock; False where that cannot be found out."""
    try:
        with locked_folder(run.path, shared=True):
            return False
    except TryAgainError:
        return True
    except OSError:
        return False


def check_free(run: RunFolder) -> None:
    """Refuses a folder in which no run can begin.

    One can in an empty folder, and where a start of a run was killed.

    Raises:
      OutputError: It holds something else, half a copy of a run for example.
    """
    if run.mirror.is_file():
        raise OutputError(
            f"{run.path} is half a copy of a run, whose mirror was being copied there",
            hint="the same command with the --mirror of that run goes on; or choose another "
            "--model-dir",
        )
    if not run.path.exists() or run.lock.is_file():
        return
    if not run.path.is_dir() or any(not path.name.startswith(".") for path in run.path.iterdir()):
        raise OutputError(
            f"{run.path} exists and is not a run folder: it has no {CONFIG_FILE}",
            hint="choose another --model-dir; nothing is overwritten",
        )


def check_writable(folder: Path) -> None:
    """Makes a folder, and a file in it that does not stay.

    Raises:
      OutputError: One of the two is not possible.
      IOFailedError: The same, because the disk is full.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=folder, prefix=f".writable-{os.getpid()}-"):
            pass
    except OSError as error:
        raise cannot_write(folder, error) from error


def cannot_write(folder: Path, error: OSError) -> OutputError | IOFailedError:
    """The error for a folder in which nothing can be made."""
    message = f"cannot write to {folder}: {error.strerror}"
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return IOFailedError(message, hint="free some space and run the same command again")
    if error.errno == errno.ENOENT and not folder.parent.is_dir():
        return OutputError(message, hint=f"mkdir -p {shlex.quote(str(folder.parent))}")
    return OutputError(message, hint="choose another folder, or change its permissions")
