"""Which checkpoints of our runs a path names: the one place that knows how they lie.

RUN, RUN/checkpoints                    all of them
RUN/checkpoints/ckpt-N, or a file in it that one
RUN/checkpoints/ckpt-N, .index, .data-… the same, of an older electra: files side by side
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from electra_cli.errors import DataError

STATE = "state"
RECORD_FILE = "commit.json"  # see training/commit.py
_FOLDER, _CONFIG = "checkpoints", "config.yaml"
_STEP = re.compile(r"ckpt-(\d+)")
_FILE = re.compile(r"\.(index|data-\d+-of-\d+)$")


@dataclass(frozen=True)
class OwnCheckpoint:
    """A checkpoint of a run.

    Attributes:
      run: The run folder.
      prefix: The checkpoint's path for TensorFlow.
      step: The number of updates it has seen.
    """

    run: Path
    prefix: Path
    step: int


def checkpoints_in(run: Path) -> list[OwnCheckpoint]:
    """Every checkpoint of a run folder, by ascending step, whole or not."""
    places = {path.with_suffix("") for path in (run / _FOLDER).glob("ckpt-*.index")}
    places |= {path for path in (run / _FOLDER).glob("ckpt-*") if path.is_dir()}
    found = [_checkpoint(run, place) for place in places]
    return sorted((c for c in found if c is not None), key=lambda checkpoint: checkpoint.step)


def own_checkpoints(path: Path) -> list[OwnCheckpoint]:
    """The checkpoints that a path names, by ascending step; empty if it is nothing of a run.

    Args:
      path: Also relative to any folder, or through links.

    Raises:
      DataError: It is in a run's folder of checkpoints, and none of them.
    """
    for place in (path, path.resolve()):
        if (place / _CONFIG).is_file():
            return checkpoints_in(place)
        if _is_folder(place):
            return checkpoints_in(place.parent)
        for folder in (place, place.parent):
            if _is_folder(folder.parent):
                return [_named(path, folder)] if path.exists() or _exists(folder) else []
    return []


def _named(path: Path, folder: Path) -> OwnCheckpoint:
    run = folder.parent.parent
    found = _checkpoint(run, folder.with_name(_FILE.sub("", folder.name)))
    if found is None:
        names = [f"ckpt-{checkpoint.step}" for checkpoint in checkpoints_in(run)] or ["nothing"]
        raise DataError(
            f"{path} is no checkpoint of {run}, which has {', '.join(names[-3:])}",
            hint=f"name the newest by {run}, or another as {run / _FOLDER / 'ckpt-STEP'}",
        )
    return found


def _checkpoint(run: Path, place: Path) -> OwnCheckpoint | None:
    match = _STEP.fullmatch(place.name)
    if match is None or not _exists(place):
        return None
    return OwnCheckpoint(run, place / STATE if place.is_dir() else place, int(match[1]))


def _exists(place: Path) -> bool:
    return place.is_dir() or place.with_name(place.name + ".index").is_file()


def _is_folder(place: Path) -> bool:
    """Whether it is the folder of checkpoints of a run."""
    return place.name == _FOLDER and (place.parent / _CONFIG).is_file()
