"""Writes what was rendered, and over a file of its own only."""

from __future__ import annotations

from pathlib import Path

from electra_cli.errors import OutputError
from electra_cli.files.atomic import atomic_write_text
from electra_cli.launch.plan import MARK
from electra_cli.runs.lock import cannot_write

_BEGINNING = 4096  # bytes


def write_text(path: Path, text: str) -> None:
    """Writes a script or a manifest; the file is there whole or not at all.

    Raises:
      OutputError: Something else is there, or it cannot be written.
      IOFailedError: The disk is full.
    """
    try:
        if path.is_dir():
            raise OutputError(f"--output {path} is a folder", hint=f"--output {path / 'job'}")
        if path.exists():
            with path.open("rb") as file:
                is_ours = MARK.encode() in file.read(_BEGINNING)
            if not is_ours:
                raise OutputError(
                    f"{path} exists, and electra launch did not write it",
                    hint="choose another --output; nothing is overwritten",
                )
        atomic_write_text(path, text)
    except OSError as error:
        raise cannot_write(path, error) from error
