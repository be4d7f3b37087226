"""What the variables of an environment hold."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from electra_cli.errors import ConfigError

_MOST_SHOWN = 80  # characters


def first_of(environment: Mapping[str, str], *names: str) -> str | None:
    """The first of some variables that is set; an empty one counts as not set."""
    return next((name for name in names if environment.get(name, "").strip()), None)


def missing(environment: Mapping[str, str], needed: Iterable[Sequence[str]]) -> list[str]:
    """Which variables are not set.

    Args:
      environment: All variables.
      needed: Names, of which one of each group is enough.

    Returns:
      The first name of each group of which none is set.
    """
    return [names[0] for names in needed if first_of(environment, *names) is None]


def whole_number(value: object, origin: str, *, least: int = 0, most: int, hint: str = "") -> int:
    """Reads a whole number, from text or JSON.

    Args:
      value: What was given.
      origin: Where: a variable, or a place in one.
      least: The smallest that is allowed.
      most: The largest.
      hint: What to type if it is wrong.

    Raises:
      ConfigError: It is no whole number, or not between the two.
    """
    text = value.strip() if isinstance(value, str) else value
    if isinstance(text, str) and text.isascii() and text.isdecimal() and len(text) <= 18:
        text = int(text)
    if not isinstance(text, int) or isinstance(text, bool) or not least <= text <= most:
        raise ConfigError(
            f"{origin} is {shown(value)}, which is no whole number from {least} to {most}",
            hint=hint or f"set {origin} to such a number",
        )
    return text


def shown(value: object) -> str:
    """A value for a message: its beginning, if it is long."""
    text = repr(value)
    return text if len(text) <= _MOST_SHOWN else f"{text[:_MOST_SHOWN]}…"
