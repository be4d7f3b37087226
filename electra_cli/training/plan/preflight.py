"""What is decided before TensorFlow starts: is this configuration runnable on this data, here?"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from electra_cli.config.load import LoadedConfig, dump_yaml, read_config
from electra_cli.config.nearest import did_you_mean
from electra_cli.config.schema import Config, check_batch
from electra_cli.corpus.preparation.demo import is_demo_folder
from electra_cli.corpus.shards.manifest import Manifest, read_manifest
from electra_cli.errors import ConfigError, DataError, OutputError
from electra_cli.files.atomic import atomic_write_text
from electra_cli.files.layout import MANIFEST_FILE
from electra_cli.interop.values import Report
from electra_cli.metrics.names import METRICS
from electra_cli.runs.changes import Change, check_changes, check_keys, record_changes
from electra_cli.runs.lock import cannot_write
from electra_cli.runs.run_folder import Checkpoint, RunFolder
from electra_cli.training.devices.strategy import Device, parse_device
from electra_cli.training.plan.initial import Initial, plan_initial, record_initial


@dataclass(frozen=True)
class Plan:
    """A run that has passed all checks that need no device.

    Attributes:
      config: The configuration, with the vocabulary size of the data.
      manifest: The data's manifest; None in a dry run without data.
      data: The prepared folder; None in a dry run without data.
      device: What `--device` asks for.
      run: The run folder.
      stop: The last step, at most the horizon.
      initial: The weights it begins from; None if they come from the seed or a checkpoint.
      changes: What differs from the configuration of the run's earlier starts.
      resume: Where it goes on, once `readiness.go_on` has looked; None for a new run.
    """

    config: Config
    manifest: Manifest | None
    data: Path | None
    device: Device
    run: RunFolder
    stop: int
    initial: Initial | None = None
    changes: tuple[Change, ...] = ()
    resume: Checkpoint | None = None


def plan_run(
    loaded: LoadedConfig,
    *,
    data: Path | None,
    model_dir: Path,
    stop_at_step: int | None = None,
    init_from: Path | None = None,
    init_allow_missing: Collection[str] = (),
    allow_config_change: Collection[str] = (),
) -> Plan:
    """Checks a configuration against data, device, folder and first weights; creates nothing.

    Raises:
      ConfigError: Values that contradict the data, the device or an earlier start of the run.
      DataError: `data` is no prepared folder, or the first weights do not fit.
      InputMissingError: The data or the first weights are not there.
    """
    config = loaded.config
    check_keys(allow_config_change)
    _check_best_metric(config)
    device = parse_device(config.runtime.device)
    if device.replicas is not None:
        check_batch(config, device.replicas)
    stop = config.train.steps if stop_at_step is None else stop_at_step
    if not 1 <= stop <= config.train.steps:
        raise ConfigError(
            f"--stop-at-step {stop} lies outside of 1 … train.steps {config.train.steps}",
            hint=f"--stop-at-step {config.train.steps}"
            + (f", or --steps {stop}" if stop > config.train.steps else ""),
        )
    manifest = None
    if data is not None:
        manifest = RunFolder(model_dir).load_data(data)
        config = _fit_to_data(loaded, manifest, data)
    run = RunFolder(model_dir)
    changes: list[Change] = []
    if run.config.is_file():
        before = read_config(run.config)
        if manifest is not None:  # first, since a vocabulary decides a value of the configuration
            _check_same_data(read_manifest(run.data), manifest, run)
        elif not loaded.user_set("model.vocab_size"):  # the data, not known yet, decides it
            config = config.replaced({"model.vocab_size": before.model.vocab_size})
        changes = check_changes(before, config, allow_config_change, run)
        if device.kind == "multi-worker" and run.all_checkpoints():
            raise ConfigError(
                f"resuming {run.path} under multi-worker is not supported: it is not proven to "
                "restore every worker to the same state",
                hint="resume with another --device, or start in a new --model-dir",
            )
    elif run.all_checkpoints():
        raise DataError(
            f"{run.config} is missing, but the run has checkpoints: nothing tells what they were "
            "trained with",
            hint="put the file back, or choose another --model-dir",
        )
    elif run.path.exists() and not (run.path.is_dir() and _is_free(run)):
        raise OutputError(
            f"{run.path} exists and is not a run folder: it has no config.yaml",
            hint="choose another --model-dir; nothing is overwritten",
        )
    initial = plan_initial(init_from, init_allow_missing, config=config, manifest=manifest, run=run)
    return Plan(config, manifest, data, device, run, stop, initial, tuple(changes))


def data_of_run(model_dir: Path) -> Path | None:
    """The prepared folder that a run was begun with; None if there is no run.

    None also for a demo corpus that is gone: it is made again.

    Raises:
      DataError: The run's config.yaml is damaged.
      InputMissingError: The folder is gone; the hint says how to make it again.
    """
    run = RunFolder(model_dir)
    path = read_config(run.config).data.path if run.config.is_file() else None
    if path is None:
        return None
    if not (Path(path) / MANIFEST_FILE).is_file():
        if is_demo_folder(Path(path)):
            return None
        run.load_data(Path(path))
    return Path(path)


def _is_free(run: RunFolder) -> bool:
    """Whether a run can begin in a folder: it is empty, or a start of a run was killed in it."""
    return run.lock.is_file() or all(path.name.startswith(".") for path in run.path.iterdir())


def _check_best_metric(config: Config) -> None:
    name = config.train.best_metric
    if name is not None and name not in METRICS:
        raise ConfigError(
            f"train.best_metric {name!r}: unknown metric",
            hint=did_you_mean(name, METRICS, form="--set train.best_metric={}"),
        )


def _check_same_data(before: Manifest, now: Manifest, run: RunFolder) -> None:
    """Compares the data with the run's copy of its manifest, the tokenizer first."""
    if before.has_same_rows_as(now):
        return
    what = f"other data than {now.folder} holds"
    if differs := before.identity.difference(now.identity):
        name, was, is_now = differs
        what = f"data with another {name} ({was}) than {now.folder} has ({is_now})"
    raise DataError(
        f"{run.path} was trained on {what}",
        hint="give --data the folder it was started with, or choose another --model-dir than "
        f"{run.path}",
    )


def _fit_to_data(loaded: LoadedConfig, manifest: Manifest, data: Path) -> Config:
    """Takes the vocabulary's size from the data and checks the length of its rows."""
    config = loaded.config
    size, length = manifest.vocab.size, manifest.sequence_length
    if loaded.user_set("model.vocab_size") and config.model.vocab_size != size:
        raise ConfigError(
            f"model.vocab_size {config.model.vocab_size} "
            f"({loaded.origins['model.vocab_size']}) is not the vocabulary of {data}, which has "
            f"{size} word pieces",
            hint="leave model.vocab_size out: it is read from the data",
        )
    if config.data.sequence_length != length:
        raise ConfigError(
            f"data.sequence_length {config.data.sequence_length} "
            f"({loaded.origins['data.sequence_length']}), but the rows of {data} have {length}",
            hint=f"--set data.sequence_length={length}, or electra prepare-data INPUT "
            f"--sequence-length {config.data.sequence_length} --output DIR",
        )
    path = str(data.resolve())
    return config.replaced({"model.vocab_size": size, "data.path": path})


def check_bindings(run: RunFolder, bindings: str) -> None:
    """Compares the gin bindings with those that a run was started with.

    Raises:
      ConfigError: They differ.
    """
    if not run.config.is_file():
        return
    before = run.bindings.read_text(encoding="utf-8") if run.bindings.is_file() else ""
    if before != bindings:
        raise ConfigError(
            f"{run.path} was started with other gin bindings:\n{before or '  (none)'}",
            hint="repeat the first command to go on, or choose another --model-dir",
        )


def create_run_folder(plan: Plan, *, bindings: str, initialized: Report | None) -> None:
    """Writes what describes a run: configuration, gin bindings, manifest and vocabulary.

    Args:
      plan: The run.
      bindings: The gin bindings in force.
      initialized: What was loaded before step 1; None if nothing was.

    Raises:
      OutputError: The folder cannot be written.
    """
    run = plan.run
    if plan.data is None or plan.manifest is None:
        raise DataError("a run needs prepared data", hint="electra prepare-data INPUT --output DIR")
    check_writable(run.path)
    run.data.mkdir(exist_ok=True)
    names: Sequence[str] = ("manifest.json", plan.manifest.vocab.file)
    for name in names:
        atomic_write_text(run.data / name, (plan.data / name).read_text(encoding="utf-8"))
    if bindings:
        atomic_write_text(run.bindings, bindings)
    if initialized is not None:
        record_initial(initialized, run)
    record_changes(plan.changes, step=plan.resume.step if plan.resume else 0, path=run.changes)
    # Last: a folder with a config.yaml is a run.
    atomic_write_text(run.config, dump_yaml(plan.config))


def finished_result(plan: Plan) -> dict[str, Any] | None:
    """What a run that is already finished printed; None if there is something left to do."""
    if plan.resume is None or not plan.run.result.is_file():
        return None
    try:
        result = json.loads(plan.run.result.read_text(encoding="utf-8"))
        done = result["final_step"] == plan.resume.step >= plan.stop
        # Where they lie for this command: the folder may have been moved, or named from elsewhere.
        result["run_dir"] = str(plan.run.path)
        for key in ("checkpoint", "best_checkpoint"):
            if result[key] is not None:
                result[key] = str(plan.run.path.joinpath(*Path(result[key]).parts[-3:]))
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None  # the last step is evaluated again, and the result written again
    return result if done else None


def check_writable(folder: Path) -> None:
    """Makes a folder and a file in it.

    Raises:
      OutputError: One of the two is not possible.
      IOFailedError: The same, because the disk is full.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=folder, prefix=f".writable-{os.getpid()}-"):
            pass
    except OSError as error:
        raise cannot_write(folder, error) from error
