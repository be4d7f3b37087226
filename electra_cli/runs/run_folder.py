"""The folder of a run and a checkpoint in it; files/layout.py says what lies where."""

from __future__ import annotations

import shlex
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from electra_cli.config.load import read_config
from electra_cli.config.schema import Config
from electra_cli.corpus.shards.cached import source_of
from electra_cli.corpus.shards.manifest import Manifest, load_manifest, read_manifest
from electra_cli.errors import DataError, InputMissingError
from electra_cli.files import layout
from electra_cli.files.redaction import MASK
from electra_cli.runs.commit import fault_of, read_commit


class _Name:
    """The path of a name in a run folder."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __get__(self, run: RunFolder, owner: type[RunFolder]) -> Path:
        return run.path / self._name


@dataclass(frozen=True)
class RunFolder:
    """Names of a run's files.

    Attributes:
      path: The folder.
    """

    path: Path

    config = _Name(layout.CONFIG_FILE)
    bindings = _Name(layout.BINDINGS_FILE)
    init = _Name(layout.INIT_FILE)
    frozen = _Name(layout.FROZEN_FILE)
    branch = _Name(layout.BRANCH_FILE)
    data = _Name(layout.DATA_FOLDER)
    lock = _Name(layout.RUN_LOCK_FILE)
    changes = _Name(layout.CHANGES_FILE)
    checkpoints = _Name(layout.CHECKPOINTS_FOLDER)
    metrics = _Name(layout.METRICS_FILE)
    tensorboard = _Name(layout.TENSORBOARD_FOLDER)
    tracking = _Name(layout.TRACKING_FOLDER)
    mirror = _Name(layout.MIRROR_FILE)
    held_out = _Name(layout.HELD_OUT_FILE)
    result = _Name(layout.RESULT_FILE)
    report = _Name(layout.REPORT_FILE)

    @property
    def is_run(self) -> bool:
        """Whether a run was begun in the folder."""
        return self.config.is_file()

    def load_data(self, folder: Path) -> Manifest:
        """Loads the manifest of data for the run, which may have to begin yet.

        Raises:
          InputMissingError: There is none; the hint says how to make the run's data again.
          DataError: As `load_manifest` does.
        """
        try:
            return load_manifest(folder)
        except InputMissingError as error:
            if not (self.data / layout.MANIFEST_FILE).is_file():
                raise
            url = self.data_url
            masked = ", with its password in the place of ***," if url and MASK in url else ""
            again = f"electra pretrain --config {self.config} --model-dir {self.path} --data {url}"
            copied = f"`{again}`{masked} copies it again; or " if url else ""
            raise InputMissingError(
                error.message,
                hint=f"{copied}name the place it has now with --data, a folder or a URL, or "
                "prepare the same text in the same way: "
                f"`{self.prepare_command(read_manifest(self.data), folder)}`",
            ) from None

    @property
    def data_url(self) -> str | None:
        """The URL that its data was copied from, passwords as ***; None if that is not known."""
        return source_of(self.data)

    def prepare_command(self, manifest: Manifest, output: Path) -> str:
        """What to type to prepare the run's text, for which INPUT stands, in the same way.

        Args:
          manifest: Of its data.
          output: The folder to write.
        """
        vocab, to = (shlex.quote(str(p)) for p in (self.data / manifest.vocab.file, output))
        flags = f" {manifest.tokenizer.flags}" if manifest.tokenizer else ""
        return (
            f"electra prepare-data INPUT --vocab {vocab}{flags} "
            f"--sequence-length {manifest.sequence_length} --packing {manifest.packing} "
            f"--seed {manifest.seed} --validation-fraction {manifest.validation_fraction} "
            f"--output {to}"
        )

    def all_checkpoints(self) -> list[Checkpoint]:
        """Every checkpoint, by ascending step, whole or not."""
        # Those of an older electra are files side by side.
        places = {layout.prefix_of(p) for p in self.checkpoints.glob(layout.CHECKPOINT_PATTERN)}
        found = [self.checkpoint_at(place) for place in places]
        return sorted((c for c in found if c is not None), key=lambda checkpoint: checkpoint.step)

    @property
    def is_saved(self) -> bool:
        """Whether there is a checkpoint that was written to its end."""
        return any(checkpoint.is_committed for checkpoint in self.all_checkpoints())

    def checkpoint_at(self, place: Path) -> Checkpoint | None:
        """The checkpoint of this run in a place of its folder of checkpoints; None for none."""
        step = layout.step_of(place.name)
        if step is not None and place.is_dir():
            return Checkpoint(self, place / layout.STATE, step)
        if step is not None and layout.is_prefix(place):
            return Checkpoint(self, place, step)
        return None


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
        return self.prefix.name == layout.STATE

    @property
    def path(self) -> Path:
        """What RUN/checkpoints/ckpt-STEP names: its folder."""
        return self.prefix.parent if self.is_committed else self.prefix

    @property
    def state_sha256(self) -> str | None:
        """What its record says of its values; None where there is none that can be read."""
        with suppress(DataError, ValueError, OSError):
            return read_commit(self.path).state_sha256
        return None

    def check_whole(self) -> None:
        """Compares its files and the tokenizer of its run with its record, if it has one.

        Raises:
          DataError: It is not what was written.
        """
        if not self.is_committed:
            return
        self.check_files()
        if other := read_commit(self.path).tokenizer_fault(self.manifest()):
            raise self._damaged(f"{self.run.data} is not of its tokenizer: {other}")

    def check_files(self) -> None:
        """Compares its files with its record.

        Raises:
          DataError: They are not what was written.
        """
        if (fault := fault_of(self.path, self.step)) is not None:
            raise self._damaged(fault)

    def _damaged(self, fault: str) -> DataError:
        return DataError(
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
        file = self.run.data / layout.MANIFEST_FILE
        if not file.is_file():
            raise InputMissingError(
                f"there is no {file}, which says how text becomes ids",
                hint=f"copy {file.name} and the vocabulary of the data that it was trained on "
                f"into {self.run.data}",
            )
        return read_manifest(self.run.data)
