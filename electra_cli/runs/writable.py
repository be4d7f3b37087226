"""Whether a folder can be written, and the error if it cannot."""

from __future__ import annotations

import errno
import os
import tempfile
from pathlib import Path

from electra_cli.errors import IOFailedError, OutputError


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
    return OutputError(message, hint="choose another folder, or change its permissions")
