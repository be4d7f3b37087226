"""What is decided before TensorFlow starts: is this configuration runnable on this data, here?"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from electra_cli.config.load import LoadedConfig, diff_configs, dump_yaml, read_config
from electra_cli.config.schema import Config, check_batch
from electra_cli.corpus.atomic import atomic_write_text
from electra_cli.corpus.manifest import Manifest, load_manifest, read_manifest
from electra_cli.errors import ConfigError, DataError, OutputError
from electra_cli.interop.values import Report
from electra_cli.training.initial import Initial, plan_initial, record_initial
from electra_cli.training.run_folder import RunFolder
from electra_cli.training.strategy import Device, parse_device

# What a resumed run may change: none of it decides what is learned.
_MAY_CHANGE = (
    "data.path",
    "train.checkpoint_every",
    "train.keep_checkpoints",
    "train.evaluate_every",
    "train.log_every",
    "runtime.device",
    "runtime.precision",
    "runtime.xla",
)


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
    """

    config: Config
    manifest: Manifest | None
    data: Path | None
    device: Device
    run: RunFolder
    stop: int
    initial: Initial | None = None


def plan_run(
    loaded: LoadedConfig,
    *,
    data: Path | None,
    model_dir: Path,
    stop_at_step: int | None = None,
    init_from: Path | None = None,
    init_allow_missing: Collection[str] = (),
) -> Plan:
    """Checks a configuration against data, device, folder and first weights; creates nothing.

    Raises:
      ConfigError: Values that contradict the data, the device or an earlier start of the run.
      DataError: `data` is no prepared folder, or the first weights do not fit.
      InputMissingError: The first weights are not there.
    """
    config = loaded.config
    device = parse_device(config.runtime.device)
    if device.replicas is not None:
        check_batch(config, device.replicas)
    stop = config.train.steps if stop_at_step is None else stop_at_step
    if not 1 <= stop <= config.train.steps:
        raise ConfigError(
            f"--stop-at-step {stop} lies outside of 1 … train.steps {config.train.steps}",
            hint=f"--stop-at-step {config.train.steps}, or more --steps",
        )
    manifest = None
    if data is not None:
        manifest = load_manifest(data)
        config = _fit_to_data(loaded, manifest, data)
    run = RunFolder(model_dir)
    if run.config.is_file():
        _check_unchanged(read_config(run.config), config, run)
        if manifest is not None and read_manifest(run.data).model_dump() != manifest.model_dump():
            raise DataError(
                f"{run.path} was trained on other data than {data} holds",
                hint=f"give --data the folder it was started with, or another --model-dir "
                f"than {run.path}",
            )
        if device.kind == "multi-worker" and run.all_checkpoints():
            raise ConfigError(
                f"resuming {run.path} under multi-worker is not supported: it is not proven to "
                "restore every worker to the same state",
                hint="resume with another --device, or start in a new --model-dir",
            )
    elif run.path.exists() and (not run.path.is_dir() or any(run.path.iterdir())):
        raise OutputError(
            f"{run.path} exists and is not a run folder: it has no config.yaml",
            hint="choose another --model-dir; nothing is overwritten",
        )
    initial = plan_initial(init_from, init_allow_missing, config=config, manifest=manifest, run=run)
    return Plan(config, manifest, data, device, run, stop, initial)


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


def _check_unchanged(old: Config, new: Config, run: RunFolder) -> None:
    changed = [entry for entry in diff_configs(old, new) if entry[0] not in _MAY_CHANGE]
    if changed:
        lines = "".join(f"\n  {key}: {was} -> {now}" for key, was, now in changed)
        raise ConfigError(
            f"{run.path} was started with another configuration:{lines}",
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
      ConfigError: The run was started with other gin bindings.
    """
    run = plan.run
    if plan.data is None or plan.manifest is None:
        raise DataError("a run needs prepared data", hint="electra prepare-data INPUT --output DIR")
    if run.config.is_file():
        before = run.bindings.read_text(encoding="utf-8") if run.bindings.is_file() else ""
        if before != bindings:
            raise ConfigError(
                f"{run.path} was started with other gin bindings:\n{before or '  (none)'}",
                hint="repeat the first command to go on, or choose another --model-dir",
            )
    check_writable(run.path)
    run.data.mkdir(exist_ok=True)
    names: Sequence[str] = ("manifest.json", plan.manifest.vocab.file)
    for name in names:
        atomic_write_text(run.data / name, (plan.data / name).read_text(encoding="utf-8"))
    if bindings:
        atomic_write_text(run.bindings, bindings)
    if initialized is not None:
        record_initial(initialized, run)
    # Last: a folder with a config.yaml is a run.
    atomic_write_text(run.config, dump_yaml(plan.config))


def finished_result(plan: Plan) -> dict[str, Any] | None:
    """What a run that is already finished printed; None if there is something left to do."""
    checkpoints = plan.run.all_checkpoints()
    if not checkpoints or not plan.run.result.is_file():
        return None
    result = json.loads(plan.run.result.read_text(encoding="utf-8"))
    done = result["final_step"] == checkpoints[-1].step >= plan.stop
    return result if done else None


def check_writable(folder: Path) -> None:
    """Makes a folder and a file in it.

    Raises:
      OutputError: One of the two is not possible.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=folder, prefix=f".writable-{os.getpid()}-"):
            pass
    except OSError as error:
        raise OutputError(
            f"cannot write to {folder}: {error.strerror}",
            hint="choose another folder, or change its permissions",
        ) from error
