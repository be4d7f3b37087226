"""What tasks need before they begin, and the end needs of the tasks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from electra_cli.corpus.duplicates.outcome import DUPLICATES_FILE
from electra_cli.corpus.preparation.engines.schedule import Schedule
from electra_cli.corpus.preparation.options import PrepareOptions
from electra_cli.errors import ConfigError, TryAgainError, counted, listed
from electra_cli.files.layout import DUPLICATES_FOLDER, MANIFEST_FILE, PLAN_FILE


def check_planned(output: Path, options: PrepareOptions, schedule: Schedule) -> None:
    """Makes sure that what all tasks need is there.

    Args:
      output: The prepared folder; nothing is written to it.
      options: How to prepare.
      schedule: Of a task, or of the end.

    Raises:
      ConfigError: The vocabulary or the duplicates are missing.
      TryAgainError: It is to be finished, and no task has begun.
    """
    needed = {
        output / options.vocabulary.file: ("there is no vocabulary", options.vocab is None),
        output / DUPLICATES_FOLDER / DUPLICATES_FILE: (
            "duplicates were not looked for",
            options.duplicates is not None,
        ),
    }
    stage = "--finalize" if schedule.stage == "finalize" else "--task-index and --num-tasks"
    for path, (what, is_needed) in needed.items():
        if is_needed and not (path.is_file() or (output / MANIFEST_FILE).is_file()):
            raise ConfigError(
                f"{what} yet: {path} is missing, and several tasks would make it at once",
                hint=f"first run the same command with --plan-only instead of {stage}",
            )
    if schedule.stage == "finalize" and not (output / PLAN_FILE).is_file():
        raise TryAgainError(
            f"no task has prepared anything in {output} yet",
            hint="run the tasks first: the same command with --task-index I --num-tasks N instead "
            "of --finalize",
        )


def check_complete(missing: Sequence[int], slices: int, schedule: Schedule) -> None:
    """Makes sure that all slices are prepared.

    Args:
      missing: The numbers of those that are not.
      slices: How many there are.
      schedule: Of the end; it may know how many tasks there are.

    Raises:
      TryAgainError: Some are missing; it names them, and the tasks if their number is known.
    """
    if not missing:
        return
    hint = (
        "wait for all tasks, or run again those that failed; --finalize --num-tasks N says "
        "which they are"
    )
    if (tasks := schedule.num_tasks) > 1:
        numbers = sorted({index % tasks for index in missing})
        again = [f"--task-index {number} --num-tasks {tasks}" for number in numbers]
        hint = f"wait for these tasks, or run them again: {listed(again, 5)}"
    shown = listed([str(index) for index in missing], 5)
    raise TryAgainError(
        f"{len(missing):,} of {counted(slices, 'slice')} are not prepared yet: {shown}", hint=hint
    )
