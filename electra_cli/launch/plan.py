"""What is to be launched, in the words that all systems share."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from electra_cli.config.nearest import did_you_mean
from electra_cli.errors import ConfigError

COMMANDS = ("pretrain", "evaluate", "finetune", "prepare-data")
TRY_AGAIN = (75, 143)
"""Exit codes after which the same command can help: a passing condition, and a state saved."""
FINAL = (1, 2, 65, 66, 70, 71, 73, 74)
"""Exit codes after which it cannot."""
GRACE = 120
"""Seconds between the signal to stop and the end; workers need 30 at most, and one loop."""
MARK = "# electra launch wrote this file"
"""Stands in the first lines of each text; a file with it may be written again."""

FINALIZE = "finalize"
"""The stage of `prepare-data` that has no tasks."""

_KEY = re.compile(r"[a-z][a-z0-9-]*")


@dataclass(frozen=True)
class Launch:
    """A command for several workers.

    Args:
      command: What each runs, without `electra` and without `--cluster`.
      nodes: Machines, or workers on this one; tasks of each stage of `prepare-data`.
      gpus_per_node: GPUs of each; 0 for none.
      name: Of the job.
      image: Container image; None where there is none.
      restarts: How often the job may be started again.
      options: What one system alone has, by name; None for one without a value.

    Raises:
      ConfigError: The command is none for workers, or an argument is no text.
    """

    command: tuple[str, ...]
    nodes: int
    gpus_per_node: int = 0
    name: str = "electra"
    image: str | None = None
    restarts: int = 20
    options: Mapping[str, str | None] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.command or self.command[0] not in COMMANDS:
            wrong = repr(self.command[0]) if self.command else "nothing"
            raise ConfigError(
                f"{wrong} is no command for several workers",
                hint=f"electra launch … -- {'|'.join(COMMANDS)} …",
            )
        for argument in (*self.command, self.name, self.image or "", *_texts(self.options)):
            if not argument.isprintable() and _is_no_text(argument):
                raise ConfigError(
                    f"the argument {argument!r} is not valid UTF-8",
                    hint="rename the file, or write the argument in UTF-8",
                )

    def arguments(self, cluster: str) -> list[str]:
        """The command line of each worker, without `electra`; `cluster` is for `--cluster`."""
        return [self.command[0], "--cluster", cluster, *self.command[1:]]


def _texts(options: Mapping[str, str | None]) -> Iterable[str]:
    return (text for text in options.values() if text is not None)


def _is_no_text(argument: str) -> bool:
    """Whether it has bytes that are no UTF-8, which Python shows as half characters."""
    return any("\ud800" <= character <= "\udfff" for character in argument)


def parse_options(texts: Sequence[str]) -> dict[str, str | None]:
    """Reads the texts of `--option`.

    Args:
      texts: KEY=VALUE, or KEY for what has no value.

    Raises:
      ConfigError: A key has another form, or comes twice.
    """
    options: dict[str, str | None] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        key = key.removeprefix("--")
        if not _KEY.fullmatch(key):
            raise ConfigError(f"--option {text!r} is not KEY=VALUE", hint="--option time=24:00:00")
        if key in options:
            raise ConfigError(f"--option {key} is given twice", hint="leave one of them out")
        options[key] = value if equals else None
    return options


def chosen(launch: Launch, system: str, defaults: Mapping[str, str | None]) -> dict[str, str]:
    """The options of a system that has few.

    Args:
      launch: With what was given.
      system: What `--to` calls it.
      defaults: All that there are, with the values of those that are not given; None for none.

    Returns:
      Those that have a value.

    Raises:
      ConfigError: There is no such option, or it has no value.
    """
    for key, value in launch.options.items():
        if key not in defaults:
            hint = "leave --option out"
            if defaults:
                hint = did_you_mean(key, defaults, form="--option {}=VALUE")
            raise ConfigError(f"--to {system} has no option {key!r}", hint=hint)
        if not value:
            raise ConfigError(f"--option {key} has no value", hint=f"--option {key}=VALUE")
    return {key: value for key, value in {**defaults, **launch.options}.items() if value}


def needed_image(launch: Launch, system: str) -> str:
    """The image of a container.

    Raises:
      ConfigError: There is none.
    """
    if not launch.image:
        raise ConfigError(
            f"--to {system} needs a container image", hint="--image REGISTRY/electra:gpu"
        )
    return launch.image


def check_stays(folder: str | None, option: str, shared: Sequence[str], *, inside: str) -> None:
    """Refuses a folder for results that is lost with its container.

    Args:
      folder: Where results go; None if nothing is said.
      option: What says it.
      shared: Folders that outlive containers.
      inside: The working folder of the container.

    Raises:
      ConfigError: It is in none of them.
    """
    path = PurePosixPath(inside, folder or "runs")
    if ".." in path.parts or not any(path.is_relative_to(one) for one in shared):
        given = f"{option} {folder}" if folder else f"without {option}, {path}"
        raise ConfigError(
            f"{given} lies in the container of each worker alone, and is lost with it",
            hint=f"{option} {shared[0]}/runs/NAME",
        )
