"""What is decided before TensorFlow starts: what is trained on what, and where it is written."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from electra_cli.cluster.addresses import Cluster
from electra_cli.config.finetune import FinetuneConfig
from electra_cli.config.rules.batches import check_batch
from electra_cli.corpus.subword.open import TextIds
from electra_cli.errors import ConfigError
from electra_cli.finetuning.columns import ColumnPlan, plan_columns
from electra_cli.finetuning.data import DEV, TRAIN, TaskData, read_task
from electra_cli.finetuning.examples.glue import GLUE_TASKS, files_of
from electra_cli.finetuning.folder import FinetuneFolder
from electra_cli.finetuning.recipe import completed, steps_of
from electra_cli.modeling.architecture import Architecture
from electra_cli.sources.exportable import Exportable
from electra_cli.tracking.choice import check_installed
from electra_cli.training.devices.strategy import Device, parse_device


@dataclass(frozen=True)
class FinetunePlan:
    """What has passed all checks that need no device; nothing is written yet.

    Attributes:
      config: Task and recipe, complete.
      device: What `--device` asks for.
      source: SOURCE as it was named.
      item: What SOURCE names.
      columns: What is trained and compared.
      files: Labelled files by the name of their split.
      data: What they hold.
      folder: Where results go.
      cluster: The workers that train together; None for one.
    """

    config: FinetuneConfig
    device: Device
    source: Path
    item: Exportable
    columns: tuple[ColumnPlan, ...]
    files: Mapping[str, Path]
    data: TaskData
    folder: FinetuneFolder
    cluster: Cluster | None = None

    @property
    def workers(self) -> int:
        """How many processes train together."""
        return self.cluster.size if self.cluster else 1

    @property
    def tokenizer(self) -> TextIds:
        """What made ids of the data."""
        return self.data.kind.tokenizer

    @property
    def architecture(self) -> Architecture:
        """Sizes of the encoder."""
        return Architecture.of(self.item.config)

    @property
    def steps(self) -> int:
        """Updates of each run."""
        return steps_of(self.config, len(self.data.encoded[TRAIN].rows))

    @property
    def seeds(self) -> range:
        """The seeds of each column."""
        first = self.config.train.seed
        return range(first, first + self.config.train.seeds)


def choose_files(
    config: FinetuneConfig, *, data: Path | None, train: Path | None, dev: Sequence[Path]
) -> dict[str, Path]:
    """The labelled files by the name of their split.

    Args:
      config: Its preset names the task of a folder.
      data: A folder as a named task is distributed.
      train: The training data.
      dev: What is scored; the first is what runs are compared by.

    Raises:
      ConfigError: There is none for training or none to score, or both ways were used.
      InputMissingError: A folder lacks a file.
    """
    if data is not None and (train is not None or dev):
        raise ConfigError(
            "--data names a folder with all files, and --train or --dev single ones",
            hint="leave one of both ways out",
        )
    if data is not None:
        return files_of(config.preset, data)
    if train is None or not dev:
        missing = "--train" if train is None else "--dev"
        raise ConfigError(
            f"there is no {missing}",
            hint="--train FILE --dev FILE, or --data FOLDER for a named task",
        )
    names = [DEV, *(f"{DEV}_{path.name.split('.')[0]}" for path in dev[1:])]
    if len(set(names)) < len(names):
        raise ConfigError(
            f"--dev: two files are called {names[-1].removeprefix(DEV + '_')}",
            hint="rename one: its name tells its scores apart",
        )
    return {TRAIN: train, **dict(zip(names, dev, strict=True))}


def plan_finetune(
    config: FinetuneConfig,
    item: Exportable,
    *,
    source: Path,
    files: Mapping[str, Path],
    output: Path,
    every: bool = False,
    steps: Sequence[int] = (),
    random: bool = False,
    probe: bool = False,
    cluster: Cluster | None = None,
    on_progress: Callable[[str], None] = lambda text: None,
) -> FinetunePlan:
    """Checks what can be checked, and reads the data; creates nothing.

    Args:
      config: Task and recipe as they were given.
      item: What SOURCE names.
      source: SOURCE.
      files: Of `choose_files`.
      output: The folder for results.
      every: Every checkpoint of a run.
      steps: Checkpoints of these steps.
      random: Also from random weights.
      probe: Also with the encoder as it is.
      cluster: The workers that train together; None for one.
      on_progress: Receives what begins.

    Raises:
      ConfigError: Settings that contradict each other, the source or an earlier start.
      InputMissingError: A file is not there.
      DataError: A file cannot be used.
      OutputError: The output folder holds something else.
    """
    check_installed(config.runtime.trackers)
    folder = FinetuneFolder(output)
    folder.check_free()
    device = parse_device(config.runtime.device)
    if cluster is not None:
        device.check_in_cluster()
    if device.replicas is not None:
        check_batch(config.train, device.replicas * (cluster.size if cluster else 1))
    columns = plan_columns(item, source, every=every, steps=steps, random=random, probe=probe)
    config, data = plan_data(config, item, source=source, files=files, on_progress=on_progress)
    folder.check_same(config)
    return FinetunePlan(config, device, source, item, columns, dict(files), data, folder, cluster)


def plan_data(
    config: FinetuneConfig,
    item: Exportable,
    *,
    source: Path,
    files: Mapping[str, Path],
    on_progress: Callable[[str], None] = lambda text: None,
) -> tuple[FinetuneConfig, TaskData]:
    """Reads the data with the tokenizer of a model; the arguments are those of `plan_finetune`.

    Returns:
      The configuration, complete, and the data.
    """
    model = item.config.model
    config = completed(config, Architecture.of(item.config).main, model.max_position_embeddings)
    if (tokenizer := item.text_ids) is None:
        raise ConfigError(
            f"{source} comes without a vocabulary", hint="--vocab FILE names the one it belongs to"
        )
    return read_task(
        config,
        files,
        tokenizer,
        most_tokens=model.max_position_embeddings,
        skips_short_rows=config.preset in GLUE_TASKS,
        on_progress=on_progress,
    )
