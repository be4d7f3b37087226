"""One writer for a run folder; TensorFlow is not imported.

The folder itself is locked, so the system frees it with the process, however that ends.
RUN/lock.json only says who holds the lock, or held it last; that it is there marks a run folder.
"""

from __future__ import annotations

import errno
import json
import os
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from electra_cli.corpus.atomic import locked_folder
from electra_cli.errors import IOFailedError, OutputError, TryAgainError
from electra_cli.training.run_folder import RunFolder

_FORMAT_VERSION = 1


@contextmanager
def locked_run(run: RunFolder) -> Iterator[None]:
    """Makes the run folder if there is none, and holds its lock.

    A folder that it has made and in which no run has begun is removed at the end.

    Raises:
      OutputError: The folder cannot be made.
      IOFailedError: The disk is full.
      TryAgainError: Another process holds the lock; the message says which.
    """
    if _is_other_worker():  # the first worker of a cluster holds it for all
        yield
        return
    made = not run.path.is_dir()
    try:
        run.path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise cannot_write(run.path, error) from error
    with ExitStack() as stack:
        try:
            stack.enter_context(locked_folder(run.path))
        except TryAgainError as error:
            raise TryAgainError(error.message + _holder(run), hint=error.hint) from None
        now = time.strftime("%Y-%m-%dT%H:%M:%S%z")
        holder = {"host": socket.gethostname(), "pid": os.getpid(), "started": now}
        with suppress(OSError):  # a folder that cannot be written is found out later
            text = json.dumps({"format_version": _FORMAT_VERSION, **holder}) + "\n"
            run.lock.write_text(text, encoding="utf-8")
        try:
            yield
        finally:
            if made and not run.config.is_file():
                with suppress(OSError):
                    run.lock.unlink()
                    run.path.rmdir()


def cannot_write(folder: Path, error: OSError) -> OutputError | IOFailedError:
    """The error for a run folder in which nothing can be made."""
    message = f"cannot write to {folder}: {error.strerror}"
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return IOFailedError(message, hint="free some space and run the same command again")
    return OutputError(message, hint="choose another folder, or change its permissions")


def _holder(run: RunFolder) -> str:
    """Who holds the lock, in words; empty if that cannot be read."""
    try:
        found = json.loads(run.lock.read_text(encoding="utf-8"))
        return ": " + ", ".join(f"{key} {found[key]}" for key in ("host", "pid", "started"))
    except (OSError, ValueError, RecursionError, KeyError, TypeError):
        return ""


def _is_other_worker() -> bool:
    try:
        task = json.loads(os.environ.get("TF_CONFIG", ""))["task"]
        return task["type"] != "chief" and task["index"] != 0
    except (ValueError, KeyError, TypeError):
        return False
