"""The checkpoints of a run that a path names.

RUN, RUN/checkpoints                         all of them, or the newest
RUN/checkpoints/ckpt-N, or a file in it      that one
RUN/checkpoints/ckpt-N, .index, .data-…      that one, of an older electra
"""

from __future__ import annotations

from pathlib import Path

from electra_cli.errors import DataError, InputMissingError
from electra_cli.files import layout
from electra_cli.runs.run_folder import Checkpoint, RunFolder


def own_checkpoints(path: Path) -> list[Checkpoint]:
    """The checkpoints that a path names, by ascending step; empty if it is nothing of a run.

    Args:
      path: Also relative to any folder, or through links.

    Raises:
      DataError: It is in a run's folder of checkpoints, and none of them.
    """
    for place in (path, path.resolve()):
        if RunFolder(place).is_run:
            return RunFolder(place).all_checkpoints()
        if (run := _run_of(place)) is not None:
            return run.all_checkpoints()
        for inside in (place, place.parent):
            if (run := _run_of(inside.parent)) is not None:
                there = path.exists() or inside.is_dir() or layout.is_prefix(inside)
                return [_named(path, run, inside)] if there else []
    return []


def _run_of(folder: Path) -> RunFolder | None:
    """The run whose folder of checkpoints it is."""
    run = RunFolder(folder.parent)
    return run if folder.name == layout.CHECKPOINTS_FOLDER and run.is_run else None


def _named(path: Path, run: RunFolder, inside: Path) -> Checkpoint:
    found = run.checkpoint_at(layout.prefix_of(inside))
    if found is None:
        names = [layout.checkpoint_name(c.step) for c in run.all_checkpoints()] or ["nothing"]
        raise DataError(
            f"{path} is no checkpoint of {run.path}, which has {', '.join(names[-3:])}",
            hint=f"name the newest by {run.path}, or another as "
            f"{run.checkpoints / layout.checkpoint_name('STEP')}",
        )
    return found


def find_checkpoints(path: Path, *, every: bool = False) -> list[Checkpoint]:
    """Resolves what a user names as a checkpoint.

    Args:
      path: What `own_checkpoints` takes; of a run the newest is meant.
      every: All checkpoints of a run instead of the newest.

    Returns:
      At least one checkpoint, by ascending step.

    Raises:
      InputMissingError: There is nothing at the path.
      DataError: It is no run folder, or one without checkpoints.
    """
    if found := own_checkpoints(path):
        return found if every else found[-1:]
    run = find_run(path)
    missing = run.checkpoints / layout.CHECKPOINT_PATTERN
    raise DataError(
        f"{path} is not a run folder with checkpoints: {missing} is missing",
        hint="`electra pretrain` with the same --model-dir writes them",
    )


def find_run(path: Path) -> RunFolder:
    """Resolves what a user names as a run: its folder, or what `own_checkpoints` takes.

    Raises:
      InputMissingError: There is nothing at the path.
      DataError: It is no run folder.
    """
    if RunFolder(path).is_run:
        return RunFolder(path)
    if found := own_checkpoints(path):
        return found[0].run
    hint = "name the --model-dir of `electra pretrain`, or RUN/checkpoints/ckpt-STEP in it"
    if not path.exists() and not layout.is_prefix(path):
        raise InputMissingError(f"no checkpoint and no run folder at {path}", hint=hint)
    raise DataError(
        f"{path} is not a run folder, and no checkpoint in one: there is no "
        f"{RunFolder(path).config}",
        hint=hint,
    )
