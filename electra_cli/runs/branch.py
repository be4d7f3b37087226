"""RUN/branch.json: of which checkpoint of another run a run began as a copy, and what for."""

from __future__ import annotations

import json
from pathlib import Path

from pydantic import ConfigDict, Field, ValidationError

from electra_cli.config.schema import Config
from electra_cli.config.values import first_fault
from electra_cli.errors import DataError
from electra_cli.files.atomic import atomic_write_text
from electra_cli.files.record import Record, read_json
from electra_cli.runs.changes import former_configs, may_be_made_with
from electra_cli.runs.run_folder import Checkpoint, RunFolder

FORMAT_VERSION = 1


class BranchRecord(Record):
    """What a run that is a branch began from.

    Attributes:
      format_version: Of this record.
      source: What --from named, as a whole path.
      checkpoint: The folder of the checkpoint.
      step: Its step, at which the branch begins.
      state_sha256: Of its values.
      decay_steps: Updates of the branch.
      rows: Those that the updates before it have seen.
      flops: Of those updates.
    """

    model_config = ConfigDict(strict=True)

    format_version: int = FORMAT_VERSION
    source: str
    checkpoint: str
    step: int = Field(ge=0)
    state_sha256: str
    decay_steps: int = Field(ge=1)
    rows: int = Field(ge=0)
    flops: float = Field(ge=0)

    def write(self, run: RunFolder) -> None:
        """Writes RUN/branch.json.

        Raises:
          OSError: It cannot be written.
        """
        atomic_write_text(run.branch, json.dumps(self.model_dump(), indent=1) + "\n")


def read_branch(run: RunFolder) -> BranchRecord | None:
    """Reads RUN/branch.json; None for a run that is no branch.

    Raises:
      DataError: It is damaged.
      InputMissingError: It cannot be read.
    """
    if not (run.is_run and run.branch.is_file()):
        return None
    hint = f"restore {run.branch} from a backup"
    try:
        return BranchRecord.model_validate(read_json(run.branch, hint=hint))
    except ValidationError as error:
        raise DataError(f"{run.branch} is damaged: {first_fault(error)}", hint=hint) from error


def first_step(run: RunFolder) -> int:
    """The step at which a run began: 0, or for a branch that of its first checkpoint.

    Raises:
      DataError, InputMissingError: As `read_branch`.
    """
    record = read_branch(run)
    return 0 if record is None else record.step


def config_at(checkpoint: Checkpoint) -> Config:
    """The configuration that a checkpoint was made with, which the run may have changed since.

    Raises:
      DataError: None that the run recorded is it.
    """
    now = checkpoint.config()
    configs = [now, *(config for _, config in former_configs(now, checkpoint.run.changes))]
    for config in configs:
        if may_be_made_with(checkpoint, config):
            return config
    raise DataError(
        f"{checkpoint.path} was made with another configuration than {checkpoint.run.config} "
        "holds, and no recorded change leads from one to the other",
        hint=f"name another checkpoint of {checkpoint.run.path}, or put its config.yaml back",
    )


def same_place(one: str, other: Path) -> bool:
    """Whether a recorded whole path names what a path given now names."""
    return Path(one) == other.absolute() or Path(one).resolve() == other.resolve()
