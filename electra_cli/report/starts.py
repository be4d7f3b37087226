"""The processes that have trained a run, as the lines of its metrics.jsonl tell."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from electra_cli.config.rules.batches import Sizes, batch_at, rows_before
from electra_cli.files.redaction import redacted
from electra_cli.health.rule import number
from electra_cli.runs.metrics_file import History, Line

# What a line "start" has of every line, and not of the process.
_OF_LINES = ("format_version", "kind", "step", "time", "began")


@dataclass(frozen=True)
class Start:
    """A process that has trained the run, or a part of it.

    Attributes:
      step: Updates that were done when it began.
      last_step: Updates that were done when it wrote its last line.
      time: When it began, in seconds since 1970: its command, or with an older electra its first
        line.
      seconds: From then to its last line.
      step_seconds: Of an update, without evaluations, checkpoints and compilation, as its last
        logged step says; None if it logged none.
      sizes: How large updates are: that one, and others.
      seconds_to_first_step: From the start of its command to the end of its first update: what its
        first logged step took, less the updates after the first; None if it logged none.
      reason: Why it ended, as its last line says; None if it was killed, or is still there.
      facts: What its first line says besides: electra, tensorflow, device, replicas, precision.
    """

    step: int
    last_step: int
    time: float
    seconds: float
    step_seconds: float | None
    seconds_to_first_step: float | None
    reason: str | None
    facts: Mapping[str, Any]
    sizes: Sizes
    _logged: int  # the update that took step_seconds

    def seconds_in(self, first: int, last: int) -> float:
        """Seconds of the updates after one step up to another, at the same speed a row."""
        rows = rows_before(self.sizes, last) - rows_before(self.sizes, first)
        return rows / batch_at(self.sizes, self._logged - 1) * (self.step_seconds or 0.0)


def starts_of(history: History, sizes: Sizes) -> list[Start]:
    """The processes of a run, in their order; none if its lines do not say where they begin.

    Args:
      history: All lines.
      sizes: How large updates are.
    """
    return [_start(lines, sizes) for lines in _of_processes(history.lines)]


def _of_processes(lines: Sequence[Line]) -> Iterator[list[Line]]:
    """The lines of one process after the other; those before the first start are nobody's."""
    own: list[Line] = []
    for line in lines:
        if line["kind"] == "start":
            if own:
                yield own
            own = [line]
        elif own:
            own.append(line)
    if own:
        yield own


def _start(lines: Sequence[Line], sizes: Sizes) -> Start:
    first, last = lines[0], lines[-1]
    times = [*_numbers(lines[:1], "began"), *_numbers(lines, "time")]
    reason = last.get("reason") if last["kind"] == "end" else None
    speeds = [
        (line["step"], speed)
        for line in lines
        if line["step"] > 0 and (speed := number(line, "sequences_per_second") or 0.0) > 0
    ]
    logged, speed = speeds[-1] if speeds else (1, 0.0)
    step_seconds = batch_at(sizes, logged - 1) / speed if speeds else None
    return Start(
        step=first["step"],
        last_step=last["step"],
        time=times[0] if times else 0.0,
        seconds=max(times) - times[0] if times else 0.0,
        step_seconds=step_seconds,
        seconds_to_first_step=_until_first_step(lines, step_seconds),
        reason=redacted(reason) if isinstance(reason, str) and reason.strip() else None,
        sizes=sizes,
        _logged=logged,
        facts=redacted({k: value for k, value in first.items() if k not in _OF_LINES}),
    )


def _until_first_step(lines: Sequence[Line], step_seconds: float | None) -> float | None:
    """How long the first update of a process was waited for."""
    logged = next((line for line in lines if line["kind"] == "train"), None)
    if logged is None or step_seconds is None:
        return None
    began, ended = number(lines[0], "began"), number(logged, "time")
    if began is None or ended is None:
        return None
    later = logged["step"] - lines[0]["step"] - 1  # updates after the first
    return max(0.0, ended - began - later * step_seconds)


def _numbers(lines: Sequence[Line], name: str) -> list[float]:
    """The numbers of one name, in the order of the lines."""
    values = (number(line, name) for line in lines)
    return [value for value in values if value is not None]
