"""Command lines that do what a run has done."""

from __future__ import annotations

import math
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
from electra_cli.errors import counted
from electra_cli.runs.branch import BranchRecord
from electra_cli.runs.changes import former_configs
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
_FROZEN = "generator.frozen"
# --data gives the first, and the data's manifest the second.
_OF_DATA = ("data.path", "model.vocab_size")


def commands_of(
    run: RunFolder,
    config: Config,
    manifest: Manifest | None,
    *,
    initialized: Mapping[str, Any] | None,
    stop: int,
    frozen: Mapping[str, Any] | None = None,
    branch: BranchRecord | None = None,
) -> list[str]:
    """What to type to do the same again, in a run folder beside the first.

    Args:
      run: The run.
      config: Its configuration, after all changes.
      manifest: Of its data; None if it is not known.
      initialized: What its first weights came from.
      stop: The step at which it ended.
      frozen: Which weights `generator.frozen` named; None if none, or that is not known.
      branch: Of which checkpoint it began as a copy; None if it is no branch.

    Returns:
      prepare-data, unless the data is the built-in demo corpus or not known, and pretrain, once
      more for each change of what it learns. Lines that begin with # say what has to be known.
    """
    data = None if config.data.path is None else Path(config.data.path)
    is_demo = data is not None and is_demo_folder(data)
    found = []
    url = run.data_url
    if manifest is not None and data is not None and not is_demo and url is None:
        found += [
            "# INPUT stands for the text that it was trained on: "
            f"{counted(manifest.counts.documents, 'document')}",
            run.prepare_command(manifest, data),
        ]
    first = ["electra", "pretrain"]
    if branch is not None:  # which has the other run's configuration
        first += ["--branch-decay", str(branch.decay_steps), "--from", branch.checkpoint]
        base = config.replaced({"optimizer.decay_shape": "linear"})
    elif config.preset in available_presets():
        first += ["--preset", config.preset]
        base = load_config(preset=config.preset, environment={}).config
    else:  # its file may be anywhere by now, and the run has all of it
        first += ["--config", str(run.config)]
        base = config
    if data is not None and not is_demo:
        first += ["--data", url or str(data)]
    first += ["--model-dir", f"{run.path}-again"]
    last = _first_weights(run, initialized)
    before: Config | None = None
    phases = _phases(run, config, stop)
    for (step, now), (end, _) in zip(phases, [*phases[1:], (stop, config)], strict=True):
        parts = [*first]
        for key, _, value in diff_configs(base, now):
            if key == _FROZEN and frozen and value is not None:  # that run may have gone on
                value = frozen.get("path", value)
            if key not in _OF_DATA:
                parts += _option(key, value)
        if before is not None:
            found.append(f"# From step {step:,} on it went on with another configuration:")
            for key, _, _ in diff_configs(before, now):
                parts += ["--allow-config-change", key]
        parts += last
        if 0 < end < (now.train.steps or math.inf):
            parts += ["--stop-at-step", str(end)]
        found.append(shlex.join(parts))
        before = now
    return found


def _phases(run: RunFolder, config: Config, stop: int) -> list[tuple[int, Config]]:
    """The configurations that the run was trained with, each with the step where it began."""
    found: list[tuple[int, Config]] = []
    for step, before in former_configs(config, run.changes):
        if before != config and step < stop:  # it has learned with both
            found.append((step, config))
            stop = step
        config = before
    if stop or not found:
        found.append((0, config))
    return found[::-1]


def _first_weights(run: RunFolder, initialized: Mapping[str, Any] | None) -> list[str]:
    """Options that say what the first weights are."""
    parts = []
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
    return parts


def _option(key: str, value: Any) -> list[str]:
    option = None if value is None else _OPTIONS.get(key)
    return [option, str(value)] if option else ["--set", f"{key}={written(value)}"]
