"""Slurm's notation for lists of hosts: n[01-03,7],login.

Source: src/common/hostlist.c of Slurm. Groups are separated by commas and blanks. Brackets hold
numbers and ranges; a range is padded with zeros to the width of its first number. The order is
kept, duplicates too, and the last bracket of a name counts fastest.
"""

from __future__ import annotations

import itertools
import math
import re

from electra_cli.cluster.discovery.variables import shown
from electra_cli.errors import ConfigError

MOST = 64 * 1024
"""The most hosts in a list: Slurm's own bound for a range."""

_PART = re.compile(r"\[(?P<ranges>[^][]*)\]|(?P<literal>[^][,\s]+)|(?P<gap>[,\s]+)")
_RANGE = re.compile(r"\s*(?P<low>[0-9]{1,18})(?:-(?P<high>[0-9]{1,18}))?\s*")
_HINT = "Slurm writes n[01-03,7],login; `scontrol show hostnames LIST` shows what it reads there"


def expand(text: str) -> list[str]:
    """Returns the hosts of a list.

    Args:
      text: As in SLURM_STEP_NODELIST.

    Returns:
      Their names, in Slurm's order.

    Raises:
      ConfigError: It is malformed, names no host, or names too many.
    """
    hosts: list[str] = []
    name: list[_Ranges] = []  # the parts of the host that is being read
    place = 0
    while place < len(text):
        part = _PART.match(text, place)
        if part is None:  # a bracket without its other half
            raise _malformed(text, place, f"the {text[place]!r} has no other half")
        if part["gap"]:
            hosts += _names(name, MOST - len(hosts))
            name = []
        elif part["literal"]:
            name.append([(part["literal"], range(1), 0)])
        else:
            name.append(_ranges(text, part["ranges"], part.start("ranges")))
        place = part.end()
    hosts += _names(name, MOST - len(hosts))
    if not hosts:
        raise ConfigError(f"the list of hosts {shown(text)} names none", hint=_HINT)
    return hosts


# The alternatives of a part of a name: what stands before the number, the numbers, their width;
# a width of 0 stands for no number at all.
_Ranges = list[tuple[str, range, int]]


def _ranges(text: str, ranges: str, place: int) -> _Ranges:
    """What brackets hold."""
    found: _Ranges = []
    for item in ranges.split(","):
        match = _RANGE.fullmatch(item)
        if match is None:
            raise _malformed(text, place, f"{item!r} is neither a number nor a range")
        low, high = int(match["low"]), int(match["high"] or match["low"])
        if low > high:
            raise _malformed(text, place, f"{item!r} runs backwards")
        found.append(("", range(low, high + 1), len(match["low"])))
        place += len(item) + 1
    return found


def _names(parts: list[_Ranges], most: int) -> list[str]:
    """All hosts of a name with brackets."""
    if not parts:
        return []
    if math.prod(sum(len(numbers) for _, numbers, _ in part) for part in parts) > most:
        raise ConfigError(f"the list of hosts names more than {MOST:,} of them", hint=_HINT)
    spelled = [
        [
            literal + (f"{number:0{width}}" if width else "")
            for literal, numbers, width in part
            for number in numbers
        ]
        for part in parts
    ]
    return ["".join(name) for name in itertools.product(*spelled)]


def _malformed(text: str, place: int, what: str) -> ConfigError:
    start = max(0, place - 20)
    near = ("…" if start else "") + text[start : place + 20]
    near += "…" if place + 20 < len(text) else ""
    return ConfigError(
        f"the list of hosts is malformed at character {place + 1}, {near!r}: {what}", hint=_HINT
    )
