"""What a report tells of a run, read from its folder alone."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, TypeVar

import numpy as np

from electra_cli.config.load import read_config
from electra_cli.config.schema import Config
from electra_cli.corpus.shards.manifest import Manifest, read_manifest
from electra_cli.errors import ElectraError, counted
from electra_cli.files.record import read_json
from electra_cli.files.redaction import as_name, redacted
from electra_cli.health.facts import Facts
from electra_cli.health.finding import Finding
from electra_cli.health.monitor import findings_of
from electra_cli.metrics.baselines import Baselines, uniform_loss
from electra_cli.metrics.names import FLOPS
from electra_cli.report.commands import commands_of
from electra_cli.report.cost import Cost, cost_of
from electra_cli.report.published import Published, published_curve
from electra_cli.report.starts import Start, starts_of
from electra_cli.runs.branch import BranchRecord, read_branch
from electra_cli.runs.changes import former_configs, recorded_changes
from electra_cli.runs.held_out import HeldOut, read_held_out
from electra_cli.runs.lock import is_locked
from electra_cli.runs.metrics_file import History, Series, read_history
from electra_cli.runs.run_folder import RunFolder
from electra_cli.runs.totals import Totals, totals_by_step

T = TypeVar("T")
State = Literal["finished", "running", "stopped", "begun"]


@dataclass(frozen=True)
class RunRecord:
    """A run as a report shows it. No text in it holds a secret; text of the corpus is not escaped.

    Attributes:
      folder: The run folder, to read and write in.
      place: The same as it may be shown.
      name: What tells it from the other runs of the report, as short as it can be.
      config: Its configuration.
      manifest: Of the data it was trained on; None if the folder has none that can be read.
      history: All lines of its metrics.jsonl. `history.train.steps`, [N] int64, and
        `history.train.column("disc_loss")`, [N] float64, NaN where there is no number, are curves;
        the same of `history.validation`.
      step: Updates that its weights have seen: those of its newest checkpoint, while a process
        trains it those that it has written of.
      state: finished, at its last step; running, a process writes to it; stopped, before its last
        step; begun, without any line yet.
      findings: What is, or was, wrong with it; ended ones too, by the step where they began.
      baselines: What its losses would be without learning.
      published: A published curve of the same model, batch and length of rows; else None.
      cost: What it took.
      totals: Rows and FLOPs up to a step.
      starts: The processes, in their order; empty for a run that an older electra has trained.
      result: RUN/result.json; None if the run is not finished, or it cannot be read.
      held_out: Sentences as the newest evaluation saw them; None for none.
      initialized: RUN/init.json: what the first weights were; None for random ones.
      branch: RUN/branch.json: of which checkpoint it began as a copy; None if it is no branch.
      changes: What was changed on the way: the step, key, old and new value.
      commands: Command lines that do the same again: prepare-data, pretrain.
      remarks: What could not be read and is therefore missing, a sentence each.
    """

    folder: Path
    place: str
    name: str
    config: Config
    manifest: Manifest | None
    history: History
    step: int
    state: State
    findings: Sequence[Finding]
    baselines: Baselines
    published: Published | None
    cost: Cost
    totals: Callable[[int], Totals]
    starts: Sequence[Start]
    result: Mapping[str, Any] | None
    held_out: HeldOut | None
    initialized: Mapping[str, Any] | None
    branch: BranchRecord | None
    changes: Sequence[tuple[int, str, Any, Any]]
    commands: Sequence[str]
    remarks: Sequence[str]

    @property
    def first_step(self) -> int:
        """The step at which it began; a branch has copied what lies before."""
        return self.branch.step if self.branch else 0

    @property
    def progress(self) -> str:
        """How far it is: '8 of 1,000'."""
        planned = self.config.train.steps
        return f"{self.step:,} of {'a run without end' if planned is None else f'{planned:,}'}"

    @property
    def newest(self) -> dict[str, float]:
        """Held-out metrics of the newest evaluation, but what is no number; empty for none."""
        validation = self.history.validation
        if not len(validation.steps):
            return {}
        found = {name: float(column[-1]) for name, column in validation.columns.items()}
        for name in ("time", FLOPS):
            found.pop(name, None)
        return {name: value for name, value in found.items() if math.isfinite(value)}


def read_records(runs: Sequence[RunFolder]) -> list[RunRecord]:
    """Reads what a report tells of runs.

    Args:
      runs: Run folders, each once.

    Raises:
      DataError: The configuration of one is damaged.
      InputMissingError: It cannot be read.
      OSError: Its metrics are there and cannot be read.
    """
    paths = [run.path for run in runs]
    names = [p.resolve().name if p.name in ("", "..") else p.name for p in paths]
    if len(set(names)) < len(names):
        names = [str(path) for path in paths]
    return [_Reader(run, name).read() for run, name in zip(runs, names, strict=True)]


def read_record(run: RunFolder) -> RunRecord:
    """`read_records` of one run."""
    return read_records([run])[0]


class _Reader:
    """Reads one run; what besides its configuration cannot be read becomes a remark.

    Args:
      run: The run folder.
      name: What it is called beside others.
    """

    def __init__(self, run: RunFolder, name: str) -> None:
        self._run, self._name = run, name
        self._remarks: list[str] = []

    def read(self) -> RunRecord:
        """Reads it; raises as `read_records`."""
        run, config = self._run, read_config(self._run.config)
        branch = self._try(lambda: read_branch(run))
        totals = totals_by_step(config, run, branch)
        history = _counted(read_history(run.metrics), totals)
        manifest = self._try(lambda: read_manifest(run.data))
        result = self._try(lambda: _object(run.result))
        initialized = self._try(lambda: _object(run.init))
        state, step = _state(run, config, history, result)
        if step and not history.lines:
            self._remarks.append(f"nothing of its {counted(step, 'step')} is in {run.metrics}")
        starts = starts_of(history, config.train)
        examples = None if manifest is None else manifest.examples
        unknown = Baselines(uniform_loss(config.model.vocab_size), None)
        facts = Facts.of(config, manifest, former_configs(config, run.changes))
        commands = commands_of(
            run,
            config,
            manifest,
            initialized=initialized,
            frozen=self._try(lambda: _object(run.frozen)),
            branch=branch,
            stop=step,
        )
        return RunRecord(
            folder=run.path,
            place=redacted(str(run.path)),
            name=as_name(self._name),
            config=config.model_validate(redacted(config.model_dump())),
            manifest=manifest,
            history=history,
            step=step,
            state=state,
            findings=findings_of(history.lines, facts),
            baselines=Baselines.of(manifest) if manifest else unknown,
            published=published_curve(config),
            cost=cost_of(
                config,
                starts,
                step=step,
                totals=totals(step),
                examples=examples,
                first_step=branch.step if branch else 0,
            ),
            totals=totals,
            starts=starts,
            result=redacted(result),
            held_out=self._try(lambda: read_held_out(run.held_out)),
            initialized=redacted(initialized),
            branch=branch,
            changes=[
                (at, key, redacted(was), redacted(now))
                for at, changed in recorded_changes(run.changes)
                for key, (was, now) in changed.items()
            ],
            commands=redacted(commands),
            remarks=redacted(self._remarks),
        )

    def _try(self, read: Callable[[], T]) -> T | None:
        try:
            return read()
        except ElectraError as error:
            self._remarks.append(error.message)
        return None


def _counted(history: History, totals: Callable[[int], Totals]) -> History:
    """A history with what each step has cost, which lines of an older electra do not say."""

    def counted(series: Series) -> Series:
        column = np.array([totals(step).flops for step in series.steps.tolist()], np.float64)  # [N]
        others = {name: v for name, v in series.columns.items() if name != FLOPS}
        return Series(series.steps, {FLOPS: column, **others})

    return replace(history, train=counted(history.train), validation=counted(history.validation))


def _object(path: Path) -> dict[str, Any] | None:
    """What a file of JSON holds; None if there is none."""
    return read_json(path, hint="") if path.is_file() else None


def _state(
    run: RunFolder, config: Config, history: History, result: Mapping[str, Any] | None
) -> tuple[State, int]:
    """What becomes of the run, and the step of its weights."""
    last = history.lines[-1] if history.lines else {}
    kept = [series.steps for series in (history.train, history.validation)]
    written = max([last.get("step", 0), *np.concatenate(kept).tolist()])
    saved = max((checkpoint.step for checkpoint in run.all_checkpoints()), default=None)
    kind, done = last.get("kind"), result.get("final_step") if result else None
    # A process that writes its own report at its end still holds the lock.
    has_ended = kind == "end" or (done == written and kind != "start")
    if not has_ended and is_locked(run):
        return "running", max(written, saved or 0)
    step = written if saved is None else saved
    # One of the two may be damaged.
    is_done = done == step or (kind == "end" and last.get("reason") == "finished")
    if is_done and step >= (config.train.steps or math.inf):
        return "finished", step
    return "stopped" if last or step else "begun", step
