"""Options that several commands share, declared once so that they read the same everywhere."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from electra_cli.errors import ConfigError

Json = Annotated[
    bool, typer.Option("--json", help="Print one JSON object on stdout, on failure too.")
]
Quiet = Annotated[bool, typer.Option("--quiet", help="Print only warnings and errors.")]
Debug = Annotated[bool, typer.Option("--debug", help="Show tracebacks.")]

# A path makes one slash of two. One letter before the colon is a Windows drive.
_URL = re.compile(r"([a-z][a-z0-9+.-]+):(/+)(.*)", re.IGNORECASE | re.DOTALL)


def local_only(command: Callable[..., None]) -> Callable[..., None]:
    """A command that refuses a URL wherever it takes a path; see `refuse_url`."""

    @functools.wraps(command)
    def checked(**values: Any) -> None:
        for name, value in values.items():
            for path in value if isinstance(value, list) else [value]:
                if isinstance(path, Path):
                    refuse_url(str(path), name.replace("_", "-"))
        command(**values)

    return checked


def refuse_url(path: str, name: str) -> None:
    """Refuses a URL, from which nothing could be read and which would become a local folder `s3:`.

    Args:
      path: What was given.
      name: What it was given for.

    Raises:
      ConfigError: It is a URL.
    """
    match = _URL.fullmatch(path)
    if match is None:
        return
    scheme, rest = match[1], match[3]
    hint = (
        "mount it, or copy it to a local folder and give that; results can be copied afterwards. "
        f"A local folder that is really called so: $PWD/{scheme}:/{rest}"
    )
    if scheme.lower() == "file":
        rest = f"/{rest}"
        hint = f"give the path itself: {rest}"
    raise ConfigError(
        f"{scheme}://{rest} ({name}) is a URL, and only local files are read and written", hint=hint
    )
