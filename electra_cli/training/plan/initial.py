"""Weights that a run begins from instead of its seed: `electra pretrain --init-from`."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from electra_cli.config.choices import Network
from electra_cli.config.nearest import did_you_mean
from electra_cli.config.schema import Config
from electra_cli.corpus.shards.manifest import Manifest
from electra_cli.errors import ConfigError
from electra_cli.files.atomic import atomic_write_text
from electra_cli.files.redaction import redacted
from electra_cli.interop.source import Source, find_source
from electra_cli.interop.values import Report
from electra_cli.modeling.architecture import Architecture
from electra_cli.runs.run_folder import RunFolder

if TYPE_CHECKING:
    from electra_cli.modeling.electra import ElectraModel

_FORMAT_VERSION = 1


@dataclass(frozen=True)
class Initial:
    """Where the first weights come from.

    Attributes:
      source: The files.
      allow_missing: Networks that may be absent there and begin fresh.
      warnings: What could not be compared with the data, in sentences.
    """

    source: Source
    allow_missing: frozenset[Network]
    warnings: tuple[str, ...] = ()


def plan_initial(
    path: Path | None,
    allow_missing: Collection[str],
    *,
    config: Config,
    manifest: Manifest | None,
    run: RunFolder,
) -> Initial | None:
    """Checks what can be checked without TensorFlow; None for a run that begins from no weights.

    A run that has checkpoints goes on from them, so nothing is looked at.

    Args:
      path: What --init-from names.
      allow_missing: Networks that may be absent there.
      config: The configuration, with the data's vocabulary size.
      manifest: The data's manifest; None for no data, and no comparison with it.
      run: The run folder.

    Raises:
      InputMissingError: There is nothing at the path.
      DataError: What is there does not fit the configuration or the data.
      ConfigError: Options that contradict each other or an earlier start of the run.
    """
    networks = frozenset(name for name in get_args(Network) if name in allow_missing)
    for name in allow_missing:
        if name not in networks:
            raise ConfigError(
                f"--init-allow-missing {name}: there is no such network",
                hint=did_you_mean(name, get_args(Network), form="--init-allow-missing {}"),
            )
        if path is None:
            raise ConfigError(
                f"--init-allow-missing {name} without --init-from",
                hint="--init-from PATH names the weights to begin from",
            )
    if run.all_checkpoints():
        return None
    if path is None:
        if run.init.is_file():
            raise ConfigError(
                f"{run.path} was started with --init-from and has no checkpoint yet",
                hint="repeat the first command, or choose another --model-dir",
            )
        return None
    source = find_source(path)
    architecture = Architecture.of(config)
    there = config.objective.networks
    source.check_networks(there[:1] if architecture.frozen else there, networks)
    warnings: list[str] = []
    if manifest is not None:
        warnings = source.check_tokenizer(manifest)
        source.check(architecture.learning)
    return Initial(source, networks, tuple(warnings))


def load_initial(initial: Initial, model: ElectraModel) -> Report:
    """Loads the weights; writes nothing.

    Raises:
      DataError: They cannot be read, or do not fit the model.
    """
    from electra_cli.interop.weights import load_weights

    return load_weights(model, initial.source, allow_missing=initial.allow_missing)


def check_initial(initial: Initial, config: Config) -> Report:
    """Loads the weights into a model that is not kept, for a dry run.

    Raises:
      DataError: They cannot be read, or do not fit the configuration.
    """
    from electra_cli.modeling.electra import ElectraModel

    return load_initial(initial, ElectraModel(Architecture.of(config)))


def record_initial(report: Report, run: RunFolder) -> None:
    """Records in the run folder what its first weights came from."""
    record = {"format_version": _FORMAT_VERSION, **asdict(report)}
    record["path"] = str(Path(report.path).absolute())
    atomic_write_text(run.init, json.dumps(redacted(record), indent=1) + "\n")
