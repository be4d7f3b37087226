"""RUN/metrics.jsonl: how a line is appended, and the history that the lines tell.

A line is {"format_version", "kind", "step", "time", …}; `time` is in seconds since 1970, and a
value that is not a finite number is null. Kinds: start and end of a process, train, validation,
finding. A run that was killed does again what it had not saved, so a step may stand there twice;
what a later process has written counts.

Shapes: N lines of a kind.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from electra_cli.health.monitor import without_repeats
from electra_cli.health.rule import number
from electra_cli.metrics.names import finite

_FORMAT_VERSION = 1
_LAST_STEP = 2**53  # which a float64 still counts to; more is damage

Kind = Literal["start", "train", "validation", "finding", "end"]
Line = Mapping[str, Any]


def append_line(path: Path, kind: Kind, step: int, values: Mapping[str, Any]) -> None:
    """Appends a line, whole or not at all, after what a killed writer may have left of one.

    Args:
      path: The file; made if it is not there.
      kind: What the line is about.
      step: Updates done.
      values: Numbers and texts by name.

    Raises:
      OSError: It cannot be written.
    """
    numbers = {name: value for name, value in values.items() if isinstance(value, float)}
    line = {
        "format_version": _FORMAT_VERSION,
        "kind": kind,
        "step": step,
        "time": round(time.time(), 3),
        **values,
        **finite(numbers),
    }
    with path.open("ab+") as file:
        size = file.seek(0, os.SEEK_END)
        torn = False
        if size:
            file.seek(size - 1)
            torn = file.read(1) != b"\n"
        data = (b"\n" if torn else b"") + json.dumps(line).encode() + b"\n"
        try:
            file.write(data)
            file.flush()
        except OSError:
            file.truncate(size)
            raise


def read_lines(path: Path) -> Iterator[dict[str, Any]]:
    """Reads the lines of a file in the order in which they were written; torn ones are none.

    Raises:
      OSError: It cannot be read.
    """
    with path.open(encoding="utf-8", errors="replace") as file:
        for text in file:
            try:
                line = json.loads(text, parse_int=_whole)
                line["step"] = int(line["step"])
                line["kind"] = str(line["kind"])
            except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
                continue
            if 0 <= line["step"] <= _LAST_STEP:
                yield line


def _whole(digits: str) -> int | None:
    """A whole number of a line; None for one that no value of a run can be."""
    value = int(digits)
    return value if abs(value) <= _LAST_STEP else None


@dataclass(frozen=True)
class Series:
    """Numbers over the steps.

    Attributes:
      steps: [N] int64, ascending, each once.
      columns: By name, [N] float64; NaN where a line has no such number.
    """

    steps: npt.NDArray[np.int64]
    columns: Mapping[str, npt.NDArray[np.float64]]

    def column(self, name: str) -> npt.NDArray[np.float64]:
        """One of the columns, [N]; NaN throughout if no line has it."""
        nothing = np.full(len(self.steps), np.nan)
        return self.columns.get(name, nothing)

    @classmethod
    def of(cls, lines: Iterable[Line]) -> Series:
        """Makes a series of lines of one kind; of a step the last one counts."""
        by_step = {line["step"]: line for line in lines}
        steps = sorted(by_step)
        names = dict.fromkeys(
            name
            for line in by_step.values()
            for name in line
            if name not in ("format_version", "step", "kind") and number(line, name) is not None
        )
        columns = {
            name: np.array([number(by_step[step], name) for step in steps], np.float64)
            for name in names
        }
        return cls(np.array(steps, np.int64), columns)


@dataclass(frozen=True)
class History:
    """What a run has written of itself.

    Attributes:
      lines: All lines, in the order in which they were written.
      train: Logged steps, without those that were done again.
      validation: Evaluations, likewise.
    """

    lines: Sequence[Line]
    train: Series
    validation: Series

    @classmethod
    def of(cls, lines: Iterable[Line]) -> History:
        """Makes a history of lines."""
        lines = list(lines)
        kept = without_repeats(lines)
        train, validation = (
            Series.of(line for line in kept if line["kind"] == kind)
            for kind in ("train", "validation")
        )
        return cls(lines, train, validation)

    def of_kind(self, kind: Kind) -> list[Line]:
        """The lines of one kind, in the order in which they were written."""
        return [line for line in self.lines if line["kind"] == kind]


def read_history(path: Path) -> History:
    """Reads a file; of one that is not there, the empty history.

    Raises:
      OSError: It is there and cannot be read.
    """
    try:
        return History.of(read_lines(path))
    except FileNotFoundError:
        return History.of(())
