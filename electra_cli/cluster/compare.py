"""What all workers have to have alike: the software, the time, the data and what they are to do."""

from __future__ import annotations

import functools
import hashlib
import platform
import sys
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

from electra_cli import __version__
from electra_cli.cluster.member import Worker
from electra_cli.errors import ConfigError, DataError, listed

MOST_APART = 300.0
"""Seconds by which the clocks of two machines may differ."""

_OF_DATA = ("data", "vocabulary")
_PACKAGES = ("tensorflow", "tf-models-official", "numpy")
_MOST_SHOWN = 60  # characters of a value
_ABSENT = "nothing"


def check_same(worker: Worker, facts: Mapping[str, Any]) -> None:
    """Makes sure that all workers are about to do the same.

    Args:
      worker: This one; all call it at the same place.
      facts: What has to be alike, by name. "data" and "vocabulary" are facts of files.

    Raises:
      DataError: Files differ; the same at all workers.
      ConfigError: Something else differs; the same at all workers.
    """
    chief, *others = worker.gather("facts", dict(facts))
    for name in dict.fromkeys(name for one in (chief, *others) for name in one):
        for index, theirs in enumerate(others, 1):
            pair = [{name: one[name]} if name in one else {} for one in (chief, theirs)]
            if told := differences(*pair):
                assert worker.cluster is not None
                names = worker.cluster.names
                message = f"{names(0)} and {names(index)} differ: {told}"
                if name in _OF_DATA:
                    hint = "give all workers the same data"
                    raise DataError(message, hint=hint)
                hint = "start the same command, with the same files and variables, on all machines"
                raise ConfigError(message, hint=hint)


def differences(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> str:
    """In what two workers differ, in words with both values; empty if in nothing."""
    one, other = _flat(ours), _flat(theirs)
    return listed(
        [
            f"{key} is {_shown(one, key)} and {_shown(other, key)}"
            for key in dict.fromkeys((*one, *other))
            if key not in one or key not in other or one[key] != other[key]
        ],
        separator="; ",
    )


@functools.cache  # once: its files may change on the disk, and what it runs does not
def software() -> dict[str, str]:
    """What this process runs, as far as it decides what is computed."""
    found = {"electra": __version__, "code of electra": _source()}
    for package in _PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            found[package] = _ABSENT
    found["Python"] = f"{sys.version_info.major}.{sys.version_info.minor}"
    found["processor"] = platform.machine()
    return found


def _source() -> str:
    """A hash of all files of this package that are code."""
    package = Path(__file__).parents[1]
    total = hashlib.sha256()
    for path in sorted(package.rglob("*.py")):
        total.update(f"{path.relative_to(package)}\0".encode())
        total.update(hashlib.sha256(path.read_bytes()).digest())
    return total.hexdigest()[:16]


def _flat(facts: Mapping[str, Any], before: str = "") -> dict[str, Any]:
    """Parts of parts by their names with dots."""
    found: dict[str, Any] = {}
    for key, value in facts.items():
        if isinstance(value, Mapping) and value:
            found |= _flat(value, f"{before}{key}.")
        else:
            found[before + key] = value
    return found


def _shown(facts: Mapping[str, Any], key: str) -> str:
    text = str(facts.get(key, _ABSENT))
    return text if len(text) <= _MOST_SHOWN else text[:_MOST_SHOWN] + "…"
