"""A run that begins as a copy of another's checkpoint and decays: `pretrain --branch-decay`.

It is what the other would be as a wsd run with its end N updates after the checkpoint. So the
branch has the other's configuration with that schedule, and is then a run like any other.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from electra_cli.config.load import LoadedConfig, Override, diff_configs, load_config
from electra_cli.config.rules.schedules import DECAYS_AT_THE_END, NEED_AN_END, Course
from electra_cli.config.schema import Config
from electra_cli.config.variables import variable_of
from electra_cli.errors import ConfigError, DataError
from electra_cli.files.layout import CHECKPOINTS_FOLDER, STATE, checkpoint_name
from electra_cli.runs.branch import BranchRecord, config_at, read_branch, same_place
from electra_cli.runs.changes import MAY_CHANGE
from electra_cli.runs.named import find_checkpoints
from electra_cli.runs.run_folder import Checkpoint, RunFolder
from electra_cli.runs.totals import totals_of

_DECIDED = ("optimizer.schedule", "train.steps", "optimizer.decay_steps")
_SHAPE = "optimizer.decay_shape"
_ORIGIN = "--branch-decay"


@dataclass(frozen=True)
class Branch:
    """What a branch begins from.

    Attributes:
      run: The branch.
      record: What its folder says of it, or will.
      checkpoint: Of the other run; it may be gone once the branch has a checkpoint of its own.
      config: What it was made with.
    """

    run: RunFolder
    record: BranchRecord
    checkpoint: Checkpoint
    config: Config | None

    def load(
        self, environment: Mapping[str, str], overrides: Sequence[Override]
    ) -> LoadedConfig[Config]:
        """The configuration of the branch: its own, or before it has one that of the other run.

        Raises:
          ConfigError: Values that the branch decides are given, or one is wrong.
        """
        given = [name for name in map(variable_of, _DECIDED) if name in environment]
        given += [override.key for override in overrides if override.key in _DECIDED]
        if given:
            raise ConfigError(
                f"{', '.join(given)} with {_ORIGIN}, which decides the schedule: the run ends at "
                f"step {self.record.step + self.record.decay_steps}",
                hint=f"leave {', '.join(given)} out, or change {_ORIGIN}",
            )
        if self.config is None:
            return load_config(
                config_file=self.run.config, environment=environment, overrides=overrides
            )
        source = self.checkpoint.run
        former = [
            Override(key, now, str(source.changes))
            for key, _, now in diff_configs(self.checkpoint.config(), self.config)
        ]
        end, decay = self.record.step + self.record.decay_steps, self.record.decay_steps
        values = zip(_DECIDED, (DECAYS_AT_THE_END, end, decay), strict=True)
        decided = [Override(key, value, _ORIGIN) for key, value in values]
        return load_config(
            config_file=source.config,
            environment=environment,
            overrides=[*former, *decided, *overrides],
        )

    def check(self, config: Config) -> None:
        """Refuses what is no branch of the run that it is to begin from.

        Args:
          config: Of the branch.

        Raises:
          ConfigError: The rate of the other run falls already or rises yet, or the branch would
            learn something else.
        """
        if self.config is None:
            return
        checkpoint, step = self.checkpoint, self.record.step
        schedule, begins = self.config.optimizer.schedule, Course.of(self.config).decay_begins
        if schedule in NEED_AN_END:
            raise ConfigError(
                f"{checkpoint.run.path} has optimizer.schedule {schedule}, whose rate falls from "
                "the beginning or the end of warm-up: there is nothing to branch from",
                hint=f"branch from a run with --set optimizer.schedule={DECAYS_AT_THE_END} or "
                "constant",
            )
        if begins is not None and step > begins:
            raise ConfigError(
                f"{checkpoint.path} lies past step {begins:,}, where the decay of its run begins",
                hint=f"--from {checkpoint.run.checkpoints / checkpoint_name('STEP')} with a STEP "
                f"up to {begins}",
            )
        if step < self.config.optimizer.warmup_steps:
            raise ConfigError(
                f"{checkpoint.path} lies within the warm-up of its run, of "
                f"{self.config.optimizer.warmup_steps:,} updates",
                hint=f"--from {checkpoint.run.checkpoints / checkpoint_name('STEP')} with a later "
                "STEP",
            )
        free = {*MAY_CHANGE, *_DECIDED, _SHAPE}
        refused = [c for c in diff_configs(self.config, config) if c[0] not in free]
        if refused:
            lines = "".join(f"\n  {key}: {was} -> {now}" for key, was, now in refused)
            raise ConfigError(
                f"a branch learns as {checkpoint.run.path} does, but for its decay:{lines}",
                hint="leave these keys out; another run with the same weights: --init-from "
                f"{checkpoint.path}",
            )

    def begin(self) -> Checkpoint:
        """The checkpoint that it begins as a copy of, while it has none of its own.

        Raises:
          DataError: It is gone, damaged, or another one.
        """
        if self.checkpoint.path.is_dir():
            self.checkpoint.check_whole()
        if self.checkpoint.state_sha256 != self.record.state_sha256:
            raise DataError(
                f"{self.run.path} was to begin as a copy of {self.checkpoint.path}, which is gone "
                "or is another one by now",
                hint=f"choose another --model-dir than {self.run.path}, and another --from",
            )
        return self.checkpoint


def check_begun(run: RunFolder) -> None:
    """Refuses to go on by itself with a branch that has no state of its own yet.

    Raises:
      ConfigError: It is one.
    """
    if read_branch(run) is not None and not run.is_saved:
        raise ConfigError(
            f"{run.path} was begun with --branch-decay and has no checkpoint yet",
            hint="repeat the first command, or choose another --model-dir",
        )


def find_branch(
    source: Path | None, decay: int | None, model_dir: Path | None, *, others: Collection[str]
) -> Branch | None:
    """Finds out what a branch begins from; None if there is to be none.

    Args:
      source: What --from names.
      decay: Updates of the decay.
      model_dir: The folder of the branch.
      others: Options that were given and that a branch cannot have.

    Raises:
      ConfigError: Options that contradict each other or an earlier start of the branch.
      DataError: The source is no run folder with checkpoints, or its checkpoint is damaged.
      InputMissingError: There is nothing.
    """
    if source is None and decay is None:
        return None
    if decay is None or source is None:
        missing, there = ("--branch-decay", "--from") if decay is None else ("--from", _ORIGIN)
        raise ConfigError(
            f"{there} without {missing}",
            hint="electra pretrain --branch-decay N --from RUN --model-dir NEW",
        )
    if decay < 1:
        raise ConfigError(
            f"--branch-decay {decay}: expected an integer, at least 1",
            hint="--branch-decay 1000, for example: updates in which the learning rate falls to 0",
        )
    if model_dir is None:
        raise ConfigError(
            "--branch-decay without --model-dir", hint="--model-dir NEW, the folder of the branch"
        )
    if others:
        raise ConfigError(
            f"{', '.join(others)} with --branch-decay: a branch has the configuration and the "
            f"state of {source}",
            hint=f"leave {', '.join(others)} out",
        )
    run = RunFolder(model_dir)
    return _begun(run, source, decay) if run.is_run else _new(run, source, decay)


def _new(run: RunFolder, source: Path, decay: int) -> Branch:
    checkpoint = find_checkpoints(source)[-1]
    checkpoint.check_whole()
    state = checkpoint.state_sha256
    if state is None:
        raise DataError(
            f"{checkpoint.path} is a checkpoint of an older electra, from which no run goes on",
            hint="name a checkpoint that has a commit.json",
        )
    totals = totals_of(checkpoint.run, checkpoint.config(), checkpoint.step)
    record = BranchRecord(
        source=str(source.absolute()),
        checkpoint=str(checkpoint.path.absolute()),
        step=checkpoint.step,
        state_sha256=state,
        decay_steps=decay,
        rows=totals.rows,
        flops=totals.flops,
    )
    return Branch(run, record, checkpoint, config_at(checkpoint))


def _begun(run: RunFolder, source: Path, decay: int) -> Branch:
    """A branch that an earlier start of the same command has begun."""
    record = read_branch(run)
    if record is None:
        raise ConfigError(
            f"{run.path} is a run already, and no branch", hint="choose another --model-dir"
        )
    given = []
    if record.decay_steps != decay:
        given.append(f"--branch-decay {record.decay_steps}, not {decay}")
    if not same_place(record.source, source):
        given.append(f"--from {record.source}, not {source}")
    if given:
        raise ConfigError(
            f"{run.path} was begun with {' and '.join(given)}",
            hint="repeat the first command to go on, or choose another --model-dir; `electra "
            f"pretrain --config {run.config} --model-dir {run.path}` goes on too",
        )
    path = Path(record.checkpoint)
    owner = RunFolder(path.parent.parent if path.parent.name == CHECKPOINTS_FOLDER else path)
    return Branch(run, record, Checkpoint(owner, path / STATE, record.step), None)
