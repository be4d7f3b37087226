"""What a resumed run may change, and the record of it. TensorFlow is not imported."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from electra_cli.config.keys import hint_for
from electra_cli.config.load import diff_configs, read_config
from electra_cli.config.rules.batches import rows_before
from electra_cli.config.rules.schedules import same_rates
from electra_cli.config.schema import Config, leaf_fields
from electra_cli.errors import ConfigError, DataError, ElectraError
from electra_cli.files.atomic import atomic_write_text
from electra_cli.runs.commit import read_commit
from electra_cli.runs.run_folder import Checkpoint, RunFolder

_FORMAT_VERSION = 1

_END = "train.steps"

# What it names is read once, before the first checkpoint.
_IN_CHECKPOINTS = ("generator.frozen",)

# None of it decides what is learned.
MAY_CHANGE = (
    "data.path",
    "model.gradient_checkpointing",
    "train.checkpoint_every",
    "train.keep_checkpoints",
    "train.keep_every",
    "train.best_metric",
    "train.evaluate_every",
    "train.log_every",
    "runtime.device",
    "runtime.share_device",
    "runtime.xla",
    "runtime.tf32",
    "runtime.verify_data",
    "runtime.stall_timeout",
    "runtime.track",
)

# All that `config_sha256` hashed before it left defaults out. No key that joins later is added.
_HASHED_BEFORE = frozenset(
    {"data.sequence_length", "generator.size", "runtime.precision"}
    | {f"model.{name}" for name in (
        "vocab_size", "embedding_size", "hidden_size", "num_layers", "num_attention_heads",
        "intermediate_size", "hidden_dropout", "attention_dropout", "max_position_embeddings",
        "type_vocab_size", "initializer_range",
    )}
    | {f"objective.{name}" for name in (
        "mask_probability", "masking", "sampling", "generator_weight", "disc_weight",
    )}
    | {f"optimizer.{name}" for name in (
        "learning_rate", "warmup_steps", "weight_decay", "beta_1", "beta_2", "epsilon",
        "clip_norm", "ema_decay",
    )}
    | {f"train.{name}" for name in ("steps", "batch_size", "accumulation_steps", "seed")}
)  # fmt: skip

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
      ConfigError: Something differs that is not, or that nothing can change any more; it shows the
        differences.
    """
    changes = diff_configs(old, new)
    for key, was, now in changes:
        if key in _IN_CHECKPOINTS and run.is_saved:
            raise ConfigError(
                f"{run.path} was started with another configuration: {key}: {was} -> {now}. Its "
                "checkpoints hold what was there, and nothing looks at the path again",
                hint=f"--set {key}={'null' if was is None else was}, or choose another --model-dir",
            )
    free = {*MAY_CHANGE, *allowed}
    if _is_end_free(old, new, run):
        free.add(_END)
    refused = [change for change in changes if change[0] not in free]
    if refused:
        lines = "".join(f"\n  {key}: {was} -> {now}" for key, was, now in refused)
        flags = " ".join(f"--allow-config-change {key}" for key, _, _ in refused)
        raise ConfigError(
            f"{run.path} was started with another configuration:{lines}",
            hint="repeat the first command to go on, or choose another --model-dir; to change what "
            f"the rest of this run learns: {flags}"
            + _without_a_gap(old, new, {key for key, _, _ in refused}, _done(run)),
        )
    return changes


def _without_a_gap(old: Config, new: Config, refused: Collection[str], done: int) -> str:
    """What a new batch needs so that examples go on where they are; '' where it is no way out.

    The place in the data counts all updates by the configuration, those before the change too.
    """
    key = "train.batch_schedule"
    if "train.batch_size" not in refused or not done:
        return ""
    if old.train.batch_schedule is not None or new.train.batch_schedule is not None:
        return ""
    return (
        f"; rows are neither skipped nor read again with --set {key}={old.train.batch_size}:"
        f"{rows_before(old.train, done)} --allow-config-change {key} besides"
    )


def _done(run: RunFolder) -> int:
    """The step of the newest checkpoint."""
    return max((checkpoint.step for checkpoint in run.all_checkpoints()), default=0)


def _is_end_free(old: Config, new: Config, run: RunFolder) -> bool:
    """Whether the updates up to now are some of those of a run that was to end there.

    They are if none would have had another rate, and none comes after that end.

    So a constant run may end later, and a wsd run whose decay has not begun: what it has learned is
    what it would have learned with that end from the beginning.
    """
    done = _done(run)
    if new.train.steps is not None and new.train.steps < done:
        return False
    with suppress(ConfigError):
        return same_rates(old, old.replaced({_END: new.train.steps}), done)
    return False


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
      OSError: It cannot be written; the file is as it was.
    """
    if not changes:
        return
    values = {key: [was, now] for key, was, now in changes}
    line = {"format_version": _FORMAT_VERSION, "step": step, "changed": values}
    before = path.read_text(encoding="utf-8") if path.is_file() else ""
    atomic_write_text(path, before + json.dumps(line) + "\n")


def check_made_with(checkpoint: Checkpoint, config: Config) -> None:
    """Makes sure that a run's configuration changed only as was recorded since a checkpoint.

    Args:
      checkpoint: Where the run goes on.
      config: Of this command; what in it differs from config.yaml is allowed and will be recorded.

    Raises:
      DataError: The checkpoint was made with a configuration that none of the changes explains.
    """
    made_with = read_commit(checkpoint.path).config_sha256
    recorded = made_with in _recorded_sha256s(checkpoint.run)
    if not recorded and not may_be_made_with(checkpoint, config):
        raise DataError(
            f"{checkpoint.path} was made with another configuration than {checkpoint.run.config} "
            "holds, and no recorded change leads from one to the other: the file was edited",
            hint="put the former values back; to change what the rest of a run learns, give the "
            "new value to this command with --allow-config-change KEY",
        )


def may_be_made_with(checkpoint: Checkpoint, config: Config) -> bool:
    """Whether a checkpoint says that its run had this configuration."""
    return read_commit(checkpoint.path).config_sha256 in _sha256s(_deciding(config))


def _recorded_sha256s(run: RunFolder) -> set[str]:
    """`_sha256s` of RUN/config.yaml, and of what it was before each recorded change."""
    config = read_config(run.config)
    hashes = _sha256s(_deciding(config))
    for _, values in former_values(config, run.changes):
        hashes |= _sha256s(values)
    return hashes


def former_values(config: Config, path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """What a run learned with before each recorded change, the newest first.

    Args:
      config: Its configuration, after all changes.
      path: RUN/changes.jsonl.

    Yields:
      The step of a change, and the values by key that held before it, without those of MAY_CHANGE.
    """
    values = _deciding(config)
    for step, changed in reversed(recorded_changes(path)):
        known = {key: change for key, change in changed.items() if key in values}
        # A start that was killed after this line, and before config.yaml, has changed nothing.
        if all(values[key] == now for key, (_, now) in known.items()):
            values = values | {key: was for key, (was, _) in known.items()}
            yield step, values


def former_configs(config: Config, path: Path) -> Iterator[tuple[int, Config]]:
    """`former_values` as configurations; what somebody has edited into none is left out."""
    for step, values in former_values(config, path):
        with suppress(ElectraError, ValueError):
            yield step, config.replaced(values)


def recorded_changes(path: Path) -> list[tuple[int, dict[str, tuple[Any, Any]]]]:
    """What RUN/changes.jsonl holds; a damaged line explains nothing.

    Returns:
      For each line the step from which on other values hold, and old and new values by key.
    """
    found = []
    for line in path.read_bytes().splitlines() if path.is_file() else []:
        with suppress(ValueError, KeyError, TypeError, AttributeError, RecursionError):
            record = json.loads(line)
            changed = {key: (was, now) for key, (was, now) in record["changed"].items()}
            found.append((int(record["step"]), changed))
    return found


def config_sha256(config: Config) -> str:
    """Of everything that decides what is learned: all keys but those of MAY_CHANGE.

    A key that has its default stays out, so that a run goes on where a later version knows more
    keys. For the same reason the default of a key may never change.
    """
    return _sha256(_not_default(_deciding(config)))


def _sha256s(values: Mapping[str, Any]) -> set[str]:
    """What `config_sha256` is of these values, and what it was when all keys were hashed."""
    hashes = {_sha256(_not_default(values))}
    if _not_default(values).keys() <= _HASHED_BEFORE:
        hashes.add(_sha256({key: values[key] for key in _HASHED_BEFORE}))
    return hashes


def _deciding(config: Config) -> dict[str, Any]:
    record = config.model_dump()
    return {
        key: record[section][name]
        for key, section, name in ((key, *key.split(".")) for key in leaf_fields())
        if key not in MAY_CHANGE
    }


def _not_default(values: Mapping[str, Any]) -> dict[str, Any]:
    fields = leaf_fields()
    return {key: value for key, value in values.items() if value != fields[key].default}


def _sha256(values: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()
