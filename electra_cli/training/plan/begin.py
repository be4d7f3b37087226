"""Writes into a run folder what describes the run; with it a run has begun."""

from __future__ import annotations

from electra_cli.config.load import dump_config
from electra_cli.errors import ConfigError
from electra_cli.files.atomic import atomic_write_bytes, atomic_write_text
from electra_cli.files.layout import MANIFEST_FILE, SOURCE_FILE
from electra_cli.interop.values import Report
from electra_cli.runs.changes import record_changes
from electra_cli.runs.lock import check_writable
from electra_cli.training.plan.frozen import record_frozen
from electra_cli.training.plan.initial import record_initial
from electra_cli.training.plan.plans import DryPlan, RunPlan


def check_bindings(plan: DryPlan, bindings: str) -> None:
    """Compares the gin bindings with those that a run, or the run it branches from, has.

    Raises:
      ConfigError: They differ, or one binds what this configuration does not use.
    """
    schedule = plan.config.optimizer.schedule
    if "ElectraSchedule" in bindings and schedule != "electra":
        raise ConfigError(
            f"gin binds ElectraSchedule, and optimizer.schedule is {schedule}",
            hint="leave the binding out, or --set optimizer.schedule=electra",
        )
    run = plan.run
    if plan.branch is not None and not run.is_run:
        run = plan.branch.checkpoint.run
    if not run.is_run:
        return
    before = run.bindings.read_text(encoding="utf-8") if run.bindings.is_file() else ""
    if before != bindings:
        raise ConfigError(
            f"{run.path} was started with other gin bindings:\n{before or '  (none)'}",
            hint="give the same bindings again, or choose another --model-dir",
        )


def create_run_folder(plan: RunPlan, *, bindings: str, initialized: Report | None) -> None:
    """Writes configuration, gin bindings, changes, manifest, vocabulary and where data is from.

    Args:
      plan: The run.
      bindings: The gin bindings in force.
      initialized: What was loaded before step 1; None if nothing was.

    Raises:
      OutputError: The folder cannot be written.
      IOFailedError: The disk is full.
    """
    run, manifest = plan.run, plan.manifest
    check_writable(run.path)
    run.data.mkdir(exist_ok=True)
    for name in (MANIFEST_FILE, manifest.vocab.file):
        atomic_write_bytes(run.data / name, (manifest.folder / name).read_bytes())
    source = manifest.folder / SOURCE_FILE
    if run.data_url is None and source.is_file():  # others may rename that of the copy
        atomic_write_bytes(run.data / SOURCE_FILE, source.read_bytes())
    if bindings:
        atomic_write_text(run.bindings, bindings)
    if initialized is not None:
        record_initial(initialized, run)
    if plan.frozen is not None:
        record_frozen(plan.frozen, run)
    record_changes(plan.changes, step=plan.start, path=run.changes)
    if plan.branch is not None:
        plan.branch.record.write(run)
    # Last: a folder with a config.yaml is a run.
    atomic_write_text(run.config, dump_config(plan.config))
