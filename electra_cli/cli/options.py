"""Options that several commands share, and what a shell offers for values; without TensorFlow."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Annotated, Any, get_args

import typer

from electra_cli.config.finetune import FinetuneConfig
from electra_cli.config.presets import available_presets
from electra_cli.config.schema import Config, Network, Precision, Root, leaf_fields
from electra_cli.errors import ConfigError
from electra_cli.objectives import all_objectives, metrics_of

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


_DEVICES = ("auto", "cpu", "cpu:2", "gpu", "gpu:0", "gpu:0,1", "mirrored", "multi-worker", "tpu")

Complete = Callable[[str], list[str]]


def _one_of(values: Callable[[], Iterable[str]]) -> Complete:
    def complete(incomplete: str) -> list[str]:
        return [value for value in values() if value.startswith(incomplete)]

    return complete


def _settings(root: type[Root]) -> Iterator[str]:
    """KEY= of everything, and KEY=VALUE where the schema lists the values."""
    for key, field in leaf_fields(root).items():
        yield f"{key}="
        allowed = get_args(field.annotation) or (field.annotation,)
        words = ("true", "false") if bool in allowed else allowed
        yield from (f"{key}={word}" for word in words if isinstance(word, str))


presets = _one_of(available_presets)
devices = _one_of(lambda: _DEVICES)
precisions = _one_of(lambda: get_args(Precision))
networks = _one_of(lambda: get_args(Network))
keys = _one_of(leaf_fields)
settings = _one_of(lambda: _settings(Config))
tasks = _one_of(lambda: available_presets(FinetuneConfig))
task_settings = _one_of(lambda: _settings(FinetuneConfig))
limits = _one_of(lambda: (f"{name}=" for name in metrics_of(all_objectives(), detail=True)))
