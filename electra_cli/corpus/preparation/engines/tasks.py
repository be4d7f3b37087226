"""What a stage needs of the stages before it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from electra_cli.corpus.preparation.engines.schedule import STAGES, Schedule, Stage, stages_of
from electra_cli.corpus.preparation.options import PrepareOptions
from electra_cli.corpus.preparation.plan import Plan
from electra_cli.corpus.preparation.records import Totals, finished_record, totals_of
from electra_cli.errors import TryAgainError, counted, listed
from electra_cli.files.layout import PLAN_FILE

_DONE = {
    "scan": "scanned for duplicates",
    "vocabulary": "counted for the vocabulary",
    "prepare": "prepared",
}


def check_begun(output: Path, options: PrepareOptions, schedule: Schedule) -> None:
    """Makes sure that the stage before has begun.

    Args:
      output: The prepared folder; nothing is written to it.
      options: How to prepare.
      schedule: Of a stage, or of all.

    Raises:
      TryAgainError: It has not.
    """
    if schedule.stage == "all" or (output / PLAN_FILE).is_file():
        return
    needed = stages_of(duplicates=options.duplicates is not None, trains=options.vocab is None)
    before = [s for s in needed if STAGES.index(s) < STAGES.index(schedule.stage)]
    if before:
        raise TryAgainError(
            f"no task of --stage {before[-1]} has done anything in {output} yet",
            hint=f"the same command with --stage {before[0]} comes first",
        )


def check_done(stage: Stage, missing: Sequence[int], slices: int, schedule: Schedule) -> None:
    """Makes sure that all slices are through a stage.

    Args:
      stage: Which.
      missing: The numbers of those that are not.
      slices: How many there are.
      schedule: Of what follows; it may know how many tasks there are.

    Raises:
      TryAgainError: Some are missing; it names them, and the tasks if their number is known.
    """
    if not missing:
        return
    hint = (
        f"wait for all tasks of --stage {stage}, or run again those that failed; with --num-tasks "
        "N this message says which they are"
    )
    if (tasks := schedule.num_tasks) > 1:
        numbers = sorted({index % tasks for index in missing})
        again = [f"--stage {stage} --task-index {n} --num-tasks {tasks}" for n in numbers]
        hint = f"wait for these tasks, or run them again: {listed(again, 5)}"
    shown = listed([str(index) for index in missing], 5)
    raise TryAgainError(
        f"{len(missing):,} of {counted(slices, 'slice')} {'is' if len(missing) == 1 else 'are'} "
        f"not {_DONE[stage]} yet: {shown}",
        hint=hint,
    )


def all_prepared(
    plan: Plan,
    output: Path,
    schedule: Schedule,
    on_progress: Callable[[float], None] = lambda fraction: None,
) -> Totals:
    """The figures of all slices, whose records are read once.

    Args:
      plan: What is prepared.
      output: The prepared folder.
      schedule: See `check_done`.
      on_progress: Receives the share of the records that are read.

    Raises:
      TryAgainError: Some are not prepared.
    """
    totals, missing, slices = totals_of(plan), [], plan.slices
    for number, slice_ in enumerate(slices, start=1):
        record = finished_record(output, slice_.index)
        if record is None:
            missing.append(slice_.index)
        else:
            totals.add(record)
        on_progress((number - len(missing)) / len(slices))
    check_done("prepare", missing, len(slices), schedule)
    return totals
