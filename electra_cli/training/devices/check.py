"""A line of what the doctor says, and the guard that makes one of a probe that fails."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

State = Literal["ok", "note", "problem"]


@dataclass(frozen=True)
class Check:
    """What a probe found.

    Attributes:
      topic: What it belongs to, such as "accelerator".
      name: What was looked at.
      state: ok; note, which is worth knowing; or problem, with which training fails, or does not
        use what the machine has.
      found: What is there, in words.
      advice: What to do or type; empty if there is nothing to.
    """

    topic: str
    name: str
    state: State
    found: str
    advice: str = ""


Probe = Callable[[], Iterable[Check]]


def guarded(topic: str, probe: Probe) -> list[Check]:
    """The checks of a probe, or the one that says that it failed: the others are still asked."""
    found: list[Check] = []
    try:
        found.extend(probe())
    except Exception as error:  # whatever a machine may hold: no probe takes the others with it
        what = f"cannot be looked at: {type(error).__name__}: {error}"
        found.append(Check(topic, "this", "note", what, "report it together with this output"))
    return found
