"""Where the files of prepared folders and of runs lie: the one place that knows their names.

DATA/manifest.json       what is prepared; written last
DATA/plan.json           how it is cut into slices
DATA/vocab.txt           the vocabulary
DATA/slices/             a record for each finished slice, beside its shards
DATA/duplicates/         what was found of duplicates

RUN/config.yaml          the complete configuration; with it a folder is a run folder
RUN/bindings.gin         gin bindings, if any were given
RUN/init.json            what `--init-from` loaded, if it was given
RUN/data/                manifest.json and vocab.txt of the prepared data
RUN/lock.json            who writes to the run, or wrote to it last
RUN/changes.jsonl        changes of the configuration, and the step from which on they hold
RUN/checkpoints/ckpt-N   a checkpoint, N the step: `state` for TensorFlow, and commit.json
RUN/metrics.jsonl        a line for each logged step and each evaluation
RUN/tensorboard/         the same for TensorBoard
RUN/result.json          what `electra pretrain --json` printed, once the run is finished

A path names checkpoints of a run in these ways:

RUN, RUN/checkpoints                    all of them
RUN/checkpoints/ckpt-N, or a file in it that one
RUN/checkpoints/ckpt-N, .index, .data-… the same, of an older electra: files side by side
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from electra_cli.errors import DataError

MANIFEST_FILE = "manifest.json"
PLAN_FILE = "plan.json"
VOCABULARY_FILE = "vocab.txt"
RECORDS_FOLDER = "slices"
DUPLICATES_FOLDER = "duplicates"
LOCK_FILE = ".lock.json"

CONFIG_FILE = "config.yaml"
DATA_FOLDER = "data"
CHECKPOINTS_FOLDER = "checkpoints"
STATE = "state"
COMMIT_FILE, EVALUATION_FILE = "commit.json", "evaluation.json"
_STEP = re.compile(r"ckpt-(\d+)")
_FILE = re.compile(r"\.(index|data-\d+-of-\d+)$")


def slice_name(index: int, block: int | None = None) -> str:
    """What the files of a slice, or of a block of one, are called after."""
    return f"{index:05d}" if block is None else f"{index:05d}-{block:05d}"


def record_path(output: Path, index: int, block: int | None = None) -> Path:
    """Where a slice's record is; it is written after the slice's shards."""
    return output / RECORDS_FOLDER / f"{slice_name(index, block)}.json"


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
    places = {path.with_suffix("") for path in (run / CHECKPOINTS_FOLDER).glob("ckpt-*.index")}
    places |= {path for path in (run / CHECKPOINTS_FOLDER).glob("ckpt-*") if path.is_dir()}
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
        if (place / CONFIG_FILE).is_file():
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
            hint=f"name the newest by {run}, or another as "
            f"{run / CHECKPOINTS_FOLDER / 'ckpt-STEP'}",
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
    return place.name == CHECKPOINTS_FOLDER and (place.parent / CONFIG_FILE).is_file()
