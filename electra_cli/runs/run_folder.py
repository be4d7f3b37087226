"""The folder of a run, and how a checkpoint in it is found and loaded.

What lies where is told in files/layout.py.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from electra_cli.config.load import read_config
from electra_cli.config.schema import Config
from electra_cli.corpus.shards.manifest import Manifest, load_manifest, read_manifest
from electra_cli.files.layout import MANIFEST_FILE
from electra_cli.errors import DataError, InputMissingError
from electra_cli.files.layout import (
    CONFIG_FILE, DATA_FOLDER, CHECKPOINTS_FOLDER,
    STATE,
    OwnCheckpoint,
    checkpoints_in,
    own_checkpoints,
)
from electra_cli.runs.commit import fault_of, read_commit

if TYPE_CHECKING:
    from electra_cli.modeling.electra import ElectraModel


@dataclass(frozen=True)
class RunFolder:
    """Names of a run's files.

    Attributes:
      path: The folder.
    """

    path: Path

    @property
    def config(self) -> Path:
        """The complete configuration, YAML."""
        return self.path / CONFIG_FILE

    @property
    def bindings(self) -> Path:
        """The gin bindings in force."""
        return self.path / "bindings.gin"

    @property
    def init(self) -> Path:
        """What the weights began from, if not from the seed."""
        return self.path / "init.json"

    @property
    def data(self) -> Path:
        """Copies of the prepared data's manifest and vocabulary."""
        return self.path / DATA_FOLDER

    @property
    def lock(self) -> Path:
        """Who writes to the run, or wrote to it last."""
        return self.path / "lock.json"

    @property
    def changes(self) -> Path:
        """Changes of the configuration, a JSON object a line."""
        return self.path / "changes.jsonl"

    @property
    def checkpoints(self) -> Path:
        """The folder of checkpoints."""
        return self.path / CHECKPOINTS_FOLDER

    @property
    def metrics(self) -> Path:
        """Logged steps and evaluations, a JSON object a line."""
        return self.path / "metrics.jsonl"

    @property
    def tensorboard(self) -> Path:
        """Event files."""
        return self.path / "tensorboard"

    @property
    def result(self) -> Path:
        """The result of a finished run."""
        return self.path / "result.json"

    def load_data(self, folder: Path) -> Manifest:
        """Loads the manifest of data for the run, which may have to begin yet.

        Raises:
          InputMissingError: There is none; the hint says how to make the run's data again.
          DataError: As `load_manifest` does.
        """
        try:
            return load_manifest(folder)
        except InputMissingError as error:
            if not (self.data / MANIFEST_FILE).is_file():
                raise
            was = read_manifest(self.data)
            vocab, output = (shlex.quote(str(p)) for p in (self.data / was.vocab.file, folder))
            raise InputMissingError(
                error.message,
                hint="name the place it has now with --data, or prepare the same text in the same "
                "way: `electra prepare-data "
                f"INPUT --vocab {vocab} {was.tokenizer.flags} "
                f"--sequence-length {was.sequence_length} --packing {was.packing} --seed "
                f"{was.seed} --validation-fraction {was.validation_fraction} --output {output}`",
            ) from None

    def all_checkpoints(self) -> list[Checkpoint]:
        """Every checkpoint, by ascending step, whole or not."""
        return [_checkpoint(found) for found in checkpoints_in(self.path)]


@dataclass(frozen=True)
class Checkpoint:
    """One checkpoint of a run.

    Attributes:
      run: The run it belongs to.
      prefix: Its path without `.index`.
      step: The number of updates it has seen.
    """

    run: RunFolder
    prefix: Path
    step: int

    @property
    def is_committed(self) -> bool:
        """False for what TensorFlow alone has written: no record, and no run goes on there."""
        return self.prefix.name == STATE

    @property
    def path(self) -> Path:
        """What RUN/checkpoints/ckpt-STEP names: its folder."""
        return self.prefix.parent if self.is_committed else self.prefix

    def check_whole(self) -> None:
        """Compares its files and the tokenizer of its run with its record, if it has one.

        Raises:
          DataError: It is not what was written.
        """
        if not self.is_committed:
            return
        fault = fault_of(self.path, self.step)
        if fault is None and (other := read_commit(self.path).tokenizer_fault(self.manifest())):
            fault = f"{self.run.data} is not of its tokenizer: {other}"
        if fault is not None:
            raise DataError(
                f"checkpoint {self.path} is damaged: {fault}",
                hint="choose another checkpoint of the run; `electra pretrain` puts a damaged one "
                "aside and goes on from the one before it",
            )

    def config(self) -> Config:
        """The configuration of its run."""
        return read_config(self.run.config)

    def manifest(self) -> Manifest:
        """The manifest of the data its run was trained on.

        Raises:
          InputMissingError: The run folder has no copy of it.
          DataError: It is damaged.
        """
        if not (self.run.data / MANIFEST_FILE).is_file():
            raise InputMissingError(
                f"there is no {self.run.data / MANIFEST_FILE}, which says how text becomes ids",
                hint=f"copy {MANIFEST_FILE} and the vocabulary of the data that it was trained on "
                f"into {self.run.data}",
            )
        return read_manifest(self.run.data)

    def read_into(self, **objects: Any) -> None:
        """Fills objects with what the checkpoint holds under their names (model=…).

        Raises:
          DataError: Something of them is not in the checkpoint, or the files are damaged.
        """
        import tensorflow as tf

        try:
            status = tf.train.Checkpoint(**objects).read(str(self.prefix))
            status.expect_partial().assert_existing_objects_matched()
        except (AssertionError, IndexError, ValueError, tf.errors.OpError) as error:
            raise DataError(
                f"checkpoint {self.prefix} cannot be loaded: {str(error).splitlines()[0]}",
                hint="choose another checkpoint of the run",
            ) from error

    def load_model(self) -> ElectraModel:
        """Builds the model in float32 and loads all of its weights: their averages, if it has any.

        Raises:
          DataError: A weight is missing, or the files are damaged.
        """
        from electra_cli.modeling.architecture import Architecture
        from electra_cli.modeling.electra import ElectraModel
        from electra_cli.optimization.adamw import ElectraAdamW
        from electra_cli.optimization.average import WeightAverage

        config = self.config()
        model = ElectraModel(Architecture.of(config))
        if not config.optimizer.ema_decay:
            self.read_into(model=model)
            return model
        average = WeightAverage(ElectraAdamW())
        average.shadow_copy(model)
        self.read_into(model=model, optimizer=average)
        average.swap_weights()
        return model


def find_checkpoints(path: Path, *, every: bool = False) -> list[Checkpoint]:
    """Resolves what a user names as a checkpoint.

    Args:
      path: A run folder or its `checkpoints` (the newest is meant), or what
        `interop.own_checkpoints` takes for one of them.
      every: All checkpoints of a run instead of the newest.

    Returns:
      At least one checkpoint, by ascending step.

    Raises:
      InputMissingError: There is nothing at the path.
      DataError: It is no run folder, or one without checkpoints.
    """
    if found := [_checkpoint(own) for own in own_checkpoints(path)]:
        return found if every else found[-1:]
    run = RunFolder(path)
    if run.config.is_file():
        raise DataError(
            f"{path} is not a run folder with checkpoints: {run.checkpoints / 'ckpt-*'} is missing",
            hint="`electra pretrain` with the same --model-dir writes them",
        )
    if not path.exists() and not Path(f"{path}.index").is_file():
        raise InputMissingError(
            f"no checkpoint and no run folder at {path}",
            hint="name the --model-dir of `electra pretrain`, or RUN/checkpoints/ckpt-STEP",
        )
    raise DataError(
        f"{path} is not a run folder, and no checkpoint in one: there is no {run.config}",
        hint="name the --model-dir of `electra pretrain`, or RUN/checkpoints/ckpt-STEP in it",
    )


def _checkpoint(found: OwnCheckpoint) -> Checkpoint:
    return Checkpoint(RunFolder(found.run), found.prefix, found.step)
