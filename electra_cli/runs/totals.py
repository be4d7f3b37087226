"""Rows and FLOPs of a run's updates, each counted under the configuration that it was made with."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from electra_cli.config.rules.batches import rows_before
from electra_cli.config.schema import Config
from electra_cli.modeling.budget import flops_by_step
from electra_cli.runs.branch import BranchRecord, read_branch
from electra_cli.runs.changes import former_configs
from electra_cli.runs.run_folder import RunFolder


class Totals(NamedTuple):
    """What updates have come to.

    Attributes:
      rows: Those they have seen; a row that was read twice counts twice.
      flops: As `modeling.budget` counts.
    """

    rows: int
    flops: float


def totals_by_step(
    config: Config, run: RunFolder, branch: BranchRecord | None = None
) -> Callable[[int], Totals]:
    """Returns what counts the updates of a run up to a step, from that of its begin on.

    Args:
      config: Its configuration, after all changes.
      run: Says what was changed.
      branch: What it began as a copy of, whose updates count too; None for nothing.
    """
    first, before = (
        (0, Totals(0, 0.0)) if branch is None else (branch.step, Totals(branch.rows, branch.flops))
    )
    phases, now = [], config
    for since, former in former_configs(config, run.changes):
        phases.append((max(first, since), now))
        now = former
    phases.append((first, now))

    def totals(step: int) -> Totals:
        (rows, flops), end = before, step
        for begin, made_with in phases:  # the newest first
            if begin < end:
                rows += rows_before(made_with.train, end) - rows_before(made_with.train, begin)
                of_updates = flops_by_step(made_with)
                flops += of_updates(end) - of_updates(begin)
                end = begin
        return Totals(rows, flops)

    return totals


def totals_of(run: RunFolder, config: Config, step: int) -> Totals:
    """`totals_by_step` of one step of a run.

    Raises:
      DataError: RUN/branch.json is damaged.
      InputMissingError: It cannot be read.
    """
    return totals_by_step(config, run, read_branch(run))(step)
