"""Command lines that do what a run has done."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from electra_cli.config.load import diff_configs, load_config
from electra_cli.config.presets import available_presets
from electra_cli.config.schema import Config
from electra_cli.config.values import written
from electra_cli.corpus.preparation.demo import is_demo_folder
from electra_cli.corpus.shards.manifest import Manifest
from electra_cli.runs.run_folder import RunFolder

# Keys that have an option of their own; all others are given with --set.
_OPTIONS = {
    "train.steps": "--steps",
    "train.batch_size": "--batch-size",
    "train.seed": "--seed",
    "optimizer.learning_rate": "--learning-rate",
    "runtime.device": "--device",
    "runtime.precision": "--precision",
}
# --data gives the first, and the data's manifest the second.
_OF_DATA = ("data.path", "model.vocab_size")


def commands_of(
    run: RunFolder,
    config: Config,
    manifest: Manifest | None,
    *,
    initialized: Mapping[str, Any] | None,
    stop: int,
) -> list[str]:
    """What to type to do the same again, in a run folder beside the first.

    Args:
      run: The run.
      config: Its configuration.
      manifest: Of its data; None if it is not known.
      initialized: What its first weights came from.
      stop: The step at which it ended.

    Returns:
      prepare-data, unless the data is the built-in demo corpus or not known, and pretrain.
    """
    data = None if config.data.path is None else Path(config.data.path)
    is_demo = data is not None and is_demo_folder(data)
    found = []
    if manifest is not None and data is not None and not is_demo:
        found.append(run.prepare_command(manifest, data))
    parts = ["electra", "pretrain"]
    if config.preset in available_presets():
        parts += ["--preset", config.preset]
        preset = load_config(preset=config.preset, environment={}).config
        changes = diff_configs(preset, config)
    else:  # its file may be anywhere by now, and the run has all of it
        parts += ["--config", str(run.config)]
        changes = []
    if data is not None and not is_demo:
        parts += ["--data", str(data)]
    parts += ["--model-dir", f"{run.path}-again"]
    for key, _, value in changes:
        if key not in _OF_DATA:
            parts += _option(key, value)
    if initialized is not None:
        parts += ["--init-from", str(initialized.get("path"))]
        fresh = {
            "generator" if name.startswith(("generator", "next_sentence")) else "discriminator"
            for name in map(str, initialized.get("missing") or ())
        }
        for network in sorted(fresh):
            parts += ["--init-allow-missing", network]
    if run.bindings.is_file():
        parts += ["--gin-file", str(run.bindings)]
    if 0 < stop < config.train.steps:
        parts += ["--stop-at-step", str(stop)]
    return [*found, shlex.join(parts)]


def _option(key: str, value: Any) -> list[str]:
    option = _OPTIONS.get(key)
    return [option, str(value)] if option else ["--set", f"{key}={written(value)}"]
