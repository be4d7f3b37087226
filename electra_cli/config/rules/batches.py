"""How many rows each update has, how many the updates before it had, and how they are shared out.

Updates of one size stand in stretches, so both numbers have a closed form: data order stays a
function of (seed, step). With the default there is one stretch, of train.batch_size, without end.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from typing import NamedTuple, Protocol

from electra_cli.errors import ConfigError, counted

_KEY = "train.batch_schedule"
_PART = re.compile(r"(\d{1,18}):(\d{1,18})", re.ASCII)


class Sizes(Protocol):
    """How large updates are."""

    @property
    def batch_size(self) -> int:
        """Rows in an update."""

    @property
    def batch_schedule(self) -> str | None:
        """Other sizes before it."""


class Batches(Sizes, Protocol):
    """What a section `train` says of batches."""

    @property
    def accumulation_steps(self) -> int:
        """Parts it is computed in."""


class Stretch(NamedTuple):
    """Updates of one size, one after the other.

    Attributes:
      rows: Of each update.
      first_step: Updates before it.
      first_row: Rows of those.
    """

    rows: int
    first_step: int
    first_row: int

    def rows_before(self, step: int) -> int:
        """Rows of the first `step` updates, the last of which is one of these."""
        return self.first_row + (step - self.first_step) * self.rows


def stretches(train: Sizes) -> tuple[Stretch, ...]:
    """The stretches of a run in order; the last one has no end.

    Raises:
      ConfigError: `batch_schedule` cannot be read.
    """
    return _stretches(train.batch_schedule, train.batch_size)


def batch_at(train: Sizes, step: int) -> int:
    """Rows of the update that follows `step` updates."""
    return stretch_at(train, step).rows


def rows_before(train: Sizes, step: int) -> int:
    """Rows that a run has seen after `step` updates."""
    return stretch_at(train, step).rows_before(step)


def largest_batch(train: Sizes) -> int:
    """Rows of the largest update."""
    return max(stretch.rows for stretch in stretches(train))


def rows_in_words(train: Sizes) -> str:
    """8, or: 8, before that 4:20."""
    before = "" if train.batch_schedule is None else f", before that {train.batch_schedule}"
    return f"{train.batch_size:,}{before}"


def check_batch(train: Batches, replicas: int) -> None:
    """Checks that the batch of every update can be shared out evenly.

    Args:
      train: The section `train` of a configuration.
      replicas: Copies of the model that train together.

    Raises:
      ConfigError: A batch is not a multiple of replicas × accumulation steps, or the schedule of
        batches cannot be read.
    """
    parts = train.accumulation_steps
    divisor = replicas * parts
    for batch in dict.fromkeys(stretch.rows for stretch in reversed(stretches(train))):
        if not batch % divisor:
            continue
        above = _multiple(batch, divisor)
        choices = f"{above - divisor} or {above}" if batch > divisor else f"{above}"
        of_schedule = "" if batch == train.batch_size else f" of {_KEY} {train.batch_schedule}"
        raise ConfigError(
            f"batch size {batch}{of_schedule} is not divisible by {counted(replicas, 'replica')} × "
            f"{counted(parts, 'accumulation step')} = {divisor}; use {choices}",
            hint=f"add {_in_multiples(train, divisor)}, or change train.accumulation_steps",
        )


def _in_multiples(train: Batches, divisor: int) -> str:
    """The options that round up the rows of all updates."""
    options, parts = [], []
    if train.batch_size % divisor:
        options.append(f"--batch-size {_multiple(train.batch_size, divisor)}")
    row = 0
    for rows, until in _parts(train.batch_schedule):
        rounded, until = _multiple(rows, divisor), max(until, row + 1)
        parts.append(f"{rounded}:{until}")
        row = _rows_after(row, rounded, until)
    if any(rows % divisor for rows, _ in _parts(train.batch_schedule)):
        options.append(f"--set {_KEY}={','.join(parts)}")
    return " ".join(options)


def _multiple(rows: int, divisor: int) -> int:
    """The least multiple of the divisor that is no less."""
    return -(-rows // divisor) * divisor


def stretch_at(train: Sizes, step: int) -> Stretch:
    """The stretch of the update that follows `step` updates."""
    return next(found for found in reversed(stretches(train)) if found.first_step <= step)


@functools.lru_cache
def _stretches(schedule: str | None, last: int) -> tuple[Stretch, ...]:
    found, step, row = [], 0, 0
    for rows, until in _parts(schedule):
        if until <= row:
            raise ConfigError(
                f"{_KEY} {schedule}: {rows}:{until} has no update, since {row:,} examples were "
                "seen before it",
                hint=f"--set {_KEY} with examples that rise from part to part: each says how many "
                "the run has seen at its end",
            )
        found.append(Stretch(rows, step, row))
        after = _rows_after(row, rows, until)
        step, row = step + (after - row) // rows, after
    return (*found, Stretch(last, step, row))


def _parts(schedule: str | None) -> Iterator[tuple[int, int]]:
    """The parts as they are written: rows of an update, and examples seen at the end."""
    for part in schedule.split(",") if schedule is not None else ():
        match = _PART.fullmatch(part.strip())
        if match is None or not int(match[1]):
            raise ConfigError(
                f"{_KEY} {schedule}: expected ROWS:EXAMPLES joined by commas, each of at most "
                f"18 digits, got {part!r}",
                hint=f"--set {_KEY}=32:100000,64:300000, for example: updates of 32 rows until "
                "100,000 examples were seen, of 64 until 300,000",
            )
        yield int(match[1]), int(match[2])


def _rows_after(row: int, rows: int, until: int) -> int:
    """Examples seen at the end of a part that begins after `row`; its last update is whole."""
    return row + _multiple(until - row, rows)
