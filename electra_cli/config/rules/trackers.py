"""The trackers that runtime.track and --track can name."""

from __future__ import annotations

from electra_cli.config.nearest import did_you_mean
from electra_cli.errors import ConfigError

TRACKERS = ("tensorboard", "wandb", "mlflow", "trackio")
NO_TRACKER = "none"
# What `trackers_of` reads, for editors.
TRACKERS_PATTERN = "^ *(({0}) *(, *({0}) *)*|{1} *)$".format("|".join(TRACKERS), NO_TRACKER)


def trackers_of(text: str) -> tuple[str, ...]:
    """Reads names of trackers that are joined by commas, each once; `none` is none of them.

    Raises:
      ConfigError: One is unknown, or `none` is not alone.
    """
    names = tuple(dict.fromkeys(part.strip() for part in text.split(",")))
    if names == (NO_TRACKER,):
        return ()
    if NO_TRACKER in names:
        raise ConfigError(
            f"runtime.track {text!r}: {NO_TRACKER} beside a tracker",
            hint=f"--track {NO_TRACKER} alone, or a --track NAME for each tracker",
        )
    for name in names:
        if name not in TRACKERS:
            raise ConfigError(
                f"runtime.track {text!r}: unknown tracker {name!r}",
                hint=did_you_mean(name, (*TRACKERS, NO_TRACKER), form="--track {}"),
            )
    return names
