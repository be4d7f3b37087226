"""What is decided before TensorFlow starts: is this configuration runnable on this data, here?"""

from __future__ import annotations

import math
from collections.abc import Collection
from pathlib import Path

from electra_cli.cluster.addresses import Cluster
from electra_cli.config.load import LoadedConfig, read_config
from electra_cli.config.nearest import did_you_mean
from electra_cli.config.rules.batches import check_batch
from electra_cli.config.schema import Config
from electra_cli.corpus.preparation.demo import is_demo_folder
from electra_cli.corpus.shards.documents import check_documents
from electra_cli.corpus.shards.manifest import Manifest, read_manifest
from electra_cli.errors import ConfigError, DataError
from electra_cli.files.layout import MANIFEST_FILE
from electra_cli.files.redaction import MASK
from electra_cli.objectives import objective_of
from electra_cli.runs.branch import first_step
from electra_cli.runs.changes import Change, check_changes, check_keys
from electra_cli.runs.lock import check_free
from electra_cli.runs.run_folder import RunFolder
from electra_cli.tracking.choice import check_installed
from electra_cli.training.devices.strategy import parse_device
from electra_cli.training.plan.branch import Branch, check_begun
from electra_cli.training.plan.frozen import plan_frozen, with_whole_path
from electra_cli.training.plan.initial import plan_initial
from electra_cli.training.plan.plans import DryPlan


def plan_run(
    loaded: LoadedConfig,
    *,
    data: Path | Manifest | None,
    model_dir: Path,
    stop_at_step: int | None = None,
    init_from: Path | None = None,
    init_allow_missing: Collection[str] = (),
    allow_config_change: Collection[str] = (),
    branch: Branch | None = None,
    cluster: Cluster | None = None,
) -> DryPlan:
    """Checks a configuration against data, device, folder and first weights; creates nothing.

    Args:
      loaded: The configuration.
      data: The prepared folder, or its manifest where its rows are not here yet.
      model_dir: The run folder.
      stop_at_step: The last step, if that is not the horizon.
      init_from: Whose weights to begin from.
      init_allow_missing: Networks that these may lack.
      allow_config_change: Keys that may differ from the run's earlier starts.
      branch: What it begins as a copy of.
      cluster: The workers that share the batch.

    Raises:
      ConfigError: Values that contradict the data, the device or an earlier start of the run, or
        a tracker whose library is missing.
      DataError: `data` is no prepared folder, or the first weights do not fit.
      InputMissingError: The data or the first weights are not there.
      OutputError: The folder is there, and no run folder.
    """
    check_keys(allow_config_change)
    _check_best_metric(loaded.config)
    check_installed(loaded.config.runtime.trackers)
    device = parse_device(loaded.config.runtime.device)
    if cluster is not None:
        device.check_in_cluster()
    if device.replicas is not None:
        check_batch(loaded.config.train, device.replicas * (cluster.size if cluster else 1))
    run = RunFolder(model_dir)
    begin = first_step(run) if branch is None else branch.record.step
    stop = _last_step(loaded.config, stop_at_step, begin)
    manifest = run.load_data(data) if isinstance(data, Path) else data
    config = loaded.config if manifest is None else _fit_to_data(loaded, manifest)
    config = with_whole_path(config)
    changes: list[Change] = []
    if run.is_run:
        before = read_config(run.config)
        if manifest is not None:  # first, since a vocabulary decides a value of the configuration
            _check_same_data(read_manifest(run.data), manifest, run)
        elif not loaded.user_set("model.vocab_size"):  # the data, not known yet, decides it
            config = config.replaced({"model.vocab_size": before.model.vocab_size})
        changes = check_changes(before, config, allow_config_change, run)
        if branch is None:
            check_begun(run)
    else:
        _check_free(run)
        if branch is not None:
            source = branch.checkpoint.run
            if manifest is not None:
                _check_same_data(read_manifest(source.data), manifest, source)
            branch.check(config)
    initial = plan_initial(init_from, init_allow_missing, config=config, manifest=manifest, run=run)
    # A branch has all weights from the checkpoint that it begins from.
    frozen = None if branch else plan_frozen(config, manifest=manifest, run=run)
    return DryPlan(
        config, device, run, stop, manifest, initial, tuple(changes), cluster, frozen, branch
    )


def data_of_run(model_dir: Path, given: str | None = None) -> Path | str | None:
    """The prepared folder that a run was begun with; None if there is no run.

    Where a copy is gone, as on another machine, it is the URL from which it was copied. None also
    for a demo corpus that is gone: it is made again.

    Args:
      model_dir: The run folder.
      given: A folder that the configuration names; None is returned if it is another one, or there.

    Raises:
      DataError: The run's config.yaml is damaged.
      InputMissingError: The folder is gone; the hint says how to make it again.
    """
    run = RunFolder(model_dir)
    path = read_config(run.config).data.path if run.is_run else None
    if path is None or (given is not None and Path(given) != Path(path)):
        return None
    if given is not None and (Path(path) / MANIFEST_FILE).is_file():
        return None
    if not (Path(path) / MANIFEST_FILE).is_file():
        if is_demo_folder(Path(path)):
            return None
        if (url := run.data_url) is not None and MASK not in url:
            return url
        run.load_data(Path(path))
    return Path(path)


def _last_step(config: Config, stop_at_step: int | None, begin: int) -> int | None:
    """The step at which the command ends; the first update of the run comes after step `begin`."""
    steps, first = config.train.steps, begin + 1
    if stop_at_step is None or first <= stop_at_step <= (steps or math.inf):
        return steps if stop_at_step is None else stop_at_step
    if steps is None or stop_at_step < first:
        since = f": the branch begins at step {begin}" if begin else ""
        raise ConfigError(
            f"--stop-at-step {stop_at_step}: expected an integer, at least {first}{since}",
            hint=f"--stop-at-step {steps or begin + 1000}",
        )
    raise ConfigError(
        f"--stop-at-step {stop_at_step} lies past train.steps {steps}",
        hint=f"--stop-at-step {steps}, or --steps {stop_at_step}",
    )


def _check_best_metric(config: Config) -> None:
    name = config.train.best_metric
    metrics = objective_of(config.objective).metrics
    if name is not None and name not in metrics:
        raise ConfigError(
            f"train.best_metric {name!r}: unknown metric of objective {config.objective.name}",
            hint=did_you_mean(name, metrics, form="--set train.best_metric={}"),
        )


def _check_free(run: RunFolder) -> None:
    """Refuses a folder in which no run can begin, or in which one has that cannot go on."""
    if run.all_checkpoints():
        raise DataError(
            f"{run.config} is missing, but the run has checkpoints: nothing tells what they were "
            "trained with",
            hint="put the file back, or choose another --model-dir",
        )
    check_free(run)


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


def _fit_to_data(loaded: LoadedConfig, manifest: Manifest) -> Config:
    """Takes the vocabulary's size from the data and checks the length of its rows."""
    config, data = loaded.config, manifest.folder
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
    if config.model.document_attention:
        check_documents(manifest, otherwise="; or --set model.document_attention=false")
    return config.replaced({"model.vocab_size": size, "data.path": str(data.resolve())})
