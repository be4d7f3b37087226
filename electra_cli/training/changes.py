"""What a resumed run may change, and the record of it. TensorFlow is not imported."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Collection
from pathlib import Path
from typing import Any

from electra_cli.config.keys import hint_for
from electra_cli.config.load import diff_configs
from electra_cli.config.schema import Config, leaf_fields
from electra_cli.errors import ConfigError
from electra_cli.training.run_folder import RunFolder

_FORMAT_VERSION = 1

# None of it decides what is learned.
MAY_CHANGE = (
    "data.path",
    "train.checkpoint_every",
    "train.keep_checkpoints",
    "train.keep_every",
    "train.best_metric",
    "train.evaluate_every",
    "train.log_every",
    "runtime.device",
    "runtime.xla",
    "runtime.verify_data",
    "runtime.stall_timeout",
)

Change = tuple[str, Any, Any]  # key, old value, new value


def check_changes(
    old: Config, new: Config, allowed: Collection[str], run: RunFolder
) -> list[Change]:
    """Compares a configuration with the one the run was started with.

    Args:
      old: Of the run folder.
      new: Of this command.
      allowed: Keys that `--allow-config-change` names.
      run: The run folder.

    Returns:
      What differs; all of it is allowed.

    Raises:
      ConfigError: Something differs that is not; it shows the differences.
    """
    changes = diff_configs(old, new)
    refused = [change for change in changes if change[0] not in {*MAY_CHANGE, *allowed}]
    if refused:
        lines = "".join(f"\n  {key}: {was} -> {now}" for key, was, now in refused)
        flags = " ".join(f"--allow-config-change {key}" for key, _, _ in refused)
        raise ConfigError(
            f"{run.path} was started with another configuration:{lines}",
            hint="repeat the first command to go on, or choose another --model-dir; to change what "
            f"the rest of this run learns: {flags}",
        )
    return changes


def check_keys(keys: Collection[str]) -> None:
    """Refuses unknown keys.

    Raises:
      ConfigError: There is no such key.
    """
    for key in keys:
        if key not in leaf_fields():
            raise ConfigError(f"--allow-config-change {key}: unknown key", hint=hint_for(key))


def record_changes(changes: Collection[Change], *, step: int, path: Path) -> None:
    """Appends a line to RUN/changes.jsonl: the step from which on other values hold.

    Raises:
      OSError: It cannot be written.
    """
    if not changes:
        return
    values = {key: [was, now] for key, was, now in changes}
    line = {"format_version": _FORMAT_VERSION, "step": step, "changed": values}
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")
        file.flush()
        os.fsync(file.fileno())


def config_sha256(config: Config) -> str:
    """Of everything that decides what is learned: all keys but those of MAY_CHANGE."""
    record = config.model_dump()
    values = {
        key: record[section][name]
        for key, section, name in ((key, *key.split(".")) for key in leaf_fields())
        if key not in MAY_CHANGE
    }
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()
