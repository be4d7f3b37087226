"""Locks that say who holds them."""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from electra_cli.errors import TryAgainError
from electra_cli.files.atomic import locked_folder

_FORMAT_VERSION = 1


@contextmanager
def locked_by_name(folder: Path, record: Path) -> Iterator[None]:
    """`locked_folder`, with a file that says who holds the lock, or held it last.

    Args:
      folder: An existing folder.
      record: The file.

    Raises:
      TryAgainError: Another process holds the lock; the message says which.
    """
    with ExitStack() as stack:
        try:
            stack.enter_context(locked_folder(folder))
        except TryAgainError as error:
            raise TryAgainError(error.message + _holder(record), hint=error.hint) from None
        now = time.strftime("%Y-%m-%dT%H:%M:%S%z")
        holder = {"host": socket.gethostname(), "pid": os.getpid(), "started": now}
        with suppress(OSError):  # a folder that cannot be written is found out later
            text = json.dumps({"format_version": _FORMAT_VERSION, **holder}) + "\n"
            record.write_text(text, encoding="utf-8")
        yield


def _holder(record: Path) -> str:
    """Who holds a lock, in words; empty if that cannot be read."""
    try:
        found = json.loads(record.read_text(encoding="utf-8"))
        return ": " + ", ".join(f"{key} {found[key]}" for key in ("host", "pid", "started"))
    except (OSError, ValueError, RecursionError, KeyError, TypeError):
        return ""
