"""A fine-tuning from start to finish: every column with every seed, one after the other."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import tensorflow as tf

from electra_cli.corpus.wordpiece.identity import tokenizer_sha256
from electra_cli.corpus.wordpiece.vocabulary import special_ids, vocabulary_sha256
from electra_cli.errors import DataError
from electra_cli.finetuning.columns import ColumnPlan, Weights, encoder_weights, weights_sha256
from electra_cli.finetuning.data import TRAIN
from electra_cli.finetuning.folder import deciding, drop_weights
from electra_cli.finetuning.plan import FinetunePlan
from electra_cli.finetuning.result import Comparison, SeedResult
from electra_cli.finetuning.workbench import Workbench
from electra_cli.inputs.order import examples_at
from electra_cli.interop.restore import restore
from electra_cli.metrics.names import finite
from electra_cli.modeling.architecture import sizes_of
from electra_cli.modeling.budget import Compute, task_budget
from electra_cli.modeling.heads.sizes import HeadSizes
from electra_cli.modeling.task_model import head_of
from electra_cli.runs.commit import fault_of, file_sha256, read_commit
from electra_cli.runs.resume import resume_point
from electra_cli.runs.run_folder import RunFolder
from electra_cli.sources.finetuned import GivenFile, Inputs
from electra_cli.training.devices import machine
from electra_cli.training.devices.strategy import build_strategy
from electra_cli.training.loop.keeping import Keep
from electra_cli.training.loop.listener import Listener
from electra_cli.training.loop.metric_writer import MetricWriter
from electra_cli.training.loop.saving import CheckpointSaver
from electra_cli.training.loop.session import Intervals, Session
from electra_cli.training.loop.signals import StopSignals
from electra_cli.training.loop.watchdog import Watchdog
from electra_cli.training.plan.outlook import Outlook, look_ahead


class FinetuneListener(Listener, Protocol):
    """Who wants to see a fine-tuning."""

    def begins(self, column: ColumnPlan, seed: int, number: int, runs: int, steps: int) -> None:
        """A run begins, or goes on: the how manieth of how many."""

    def finished(self, column: ColumnPlan, result: SeedResult) -> None:
        """A run is finished, now or before."""


@dataclass(frozen=True)
class Bench:
    """What all runs have in common.

    Attributes:
      plan: What was decided.
      workbench: Trainers.
      identity: What each checkpoint says of where it belongs.
    """

    plan: FinetunePlan
    workbench: Workbench
    identity: Mapping[str, Any]


def outlook_of_plan(
    plan: FinetunePlan, strategy: tf.distribute.Strategy, *, dry_run: bool = False
) -> Outlook:
    """The numbers before step 1; arguments and errors as of `look_ahead`."""
    sizes = HeadSizes.of(plan.config.task, plan.data.kind.labels)
    variables = head_of(sizes, plan.architecture.main, 0).trainable_variables
    head = sum(int(np.prod(variable.shape)) for variable in variables)

    def budget(config: Any, replicas: int, precision: Compute) -> Any:
        return task_budget(plan.architecture, config, head, replicas=replicas, precision=precision)

    return look_ahead(
        plan.config,
        strategy,
        budget,
        length=plan.config.task.max_length,
        epochs=plan.config.train.epochs,
        start=0,
        stop=plan.steps * len(plan.columns) * len(plan.seeds),
        begun=plan.folder.begun,
        dry_run=dry_run,
    )


def finetune(
    plan: FinetunePlan,
    *,
    listener: FinetuneListener,
    signals: StopSignals,
    watchdog: Watchdog,
) -> tuple[Comparison, Bench]:
    """Trains what is not finished yet, and compares all runs.

    Args:
      plan: What `plan_finetune` has checked; its folder is locked.
      listener: Hears what happens.
      signals: Tell whether to stop before the end.
      watchdog: Hears whenever something has ended.

    Raises:
      RunStoppedError: A signal has come; the state is saved.
      DataError: Weights cannot be read, or are not those of the folder's earlier starts.
      TrainingError: A run has diverged.
      OutOfMemoryError: It cannot fit, or a step did not.
      IOFailedError: A checkpoint could not be saved, twice or at the end.
    """
    lanes = machine.share_cores(plan.device, plan.config)
    strategy = build_strategy(plan.device)
    outlook = outlook_of_plan(plan, strategy)
    listener.outlook(outlook)
    if outlook.shortage:
        listener.warn(outlook.shortage)
    sources = {column.name: column.source for column in plan.columns if column.source is not None}
    inputs = inputs_of(plan, {name: weights_sha256(source) for name, source in sources.items()})
    signals.check()
    plan.folder.begin(plan.config, plan.item.config, inputs, plan.tokens)
    workbench = Workbench(plan.config, plan.data, plan.architecture, strategy, outlook, lanes)
    bench = Bench(plan, workbench, identity_of(plan, inputs))
    found: dict[str, list[SeedResult]] = {column.name: [] for column in plan.columns}
    comparison = Comparison(
        plan.columns, found, plan.data.kind.metric, plan.data.majority(), plan.config.preset
    )

    def result_of(column: ColumnPlan, seed: int, number: int) -> SeedResult:
        listener.begins(column, seed, number, len(jobs), plan.steps)
        result = train_run(
            bench,
            column,
            seed,
            None if column.source is None else encoder_weights(column.source),
            listener=listener,
            signals=signals,
            watchdog=watchdog,
        )
        plan.folder.write_result(plan.folder.run(column.name, seed).result, result.as_json())
        return result

    jobs = [(column, seed) for seed in plan.seeds for column in plan.columns]
    for number, (column, seed) in enumerate(jobs, start=1):
        result = _finished(plan.folder.run(column.name, seed))
        result = result or result_of(column, seed, number)
        found[column.name].append(result)
        listener.finished(column, result)
        _keep_best(plan, found)
    # An earlier start that compared more may have dropped its weights.
    while not plan.folder.run(comparison.best.column, comparison.best.seed).all_checkpoints():
        column, place = comparison.best_column, plan.seeds.index(comparison.best.seed)
        found[column.name][place] = result_of(column, comparison.best.seed, len(jobs))
    return comparison, bench


def train_run(
    bench: Bench,
    column: ColumnPlan,
    seed: int,
    weights: Weights | None,
    *,
    listener: Listener,
    signals: StopSignals,
    watchdog: Watchdog,
) -> SeedResult:
    """One run, from its first step or from its newest checkpoint to its last."""
    plan, workbench = bench.plan, bench.workbench
    run, train, stop = plan.folder.run(column.name, seed), plan.config.train, workbench.steps
    run.path.mkdir(parents=True, exist_ok=True)
    trainer = workbench.trainer(frozen=column.frozen)
    workbench.begin(trainer, weights, seed=seed)
    checkpoint = resume_point(run, warn=listener.warn, saves_first=False)
    if checkpoint is not None:
        if read_commit(checkpoint.path).config_sha256 != bench.identity["config_sha256"]:
            raise DataError(
                f"{checkpoint.path} is of another fine-tuning",
                hint=f"put the checkpoints of {run.path} back, or choose another --output",
            )
        hint = "choose another --output to begin anew"
        restore(trainer.checkpoint, checkpoint.prefix, hint=hint)
        listener.resumed(checkpoint)
    workbench.feed(trainer, seed=seed)
    saver = CheckpointSaver(
        trainer.checkpoint,
        run,
        identity=bench.identity,
        keep=Keep(newest=1),
        needed_bytes=3 * 4 * workbench.outlook.budget.parameters.total,
    )
    saver.prepare()
    session = Session(
        trainer,
        Intervals(train.log_every, train.checkpoint_every, stop, from_step_0=False),
        stop=stop,
        saver=saver,
        writer=MetricWriter(run, warn=listener.warn),
        listener=listener,
        signals=signals,
        rates=workbench.outlook.rates,
        examples_of=_examples_of(plan, seed),
    )
    trainer.waiting_for = watchdog.waiting_for
    trainer.check_stop = signals.check
    signals.defer()
    try:
        metrics = session.run()
    except tf.errors.ResourceExhaustedError as error:
        memory = workbench.outlook.memory
        raise memory.error(f"out of memory at step {trainer.step()}", begun=True) from error
    saved = saver.save(trainer.step())
    return SeedResult(
        column=column.name,
        seed=seed,
        steps=trainer.step(),
        loss=session.last_logs.get("loss"),
        metrics=finite(metrics),
        threshold=plan.data.kind.threshold(metrics),
        state_sha256=read_commit(saved).state_sha256,
        sequences_per_second=session.rates().sequences_per_second,
    )


def _examples_of(plan: FinetunePlan, seed: int) -> Callable[[int], list[int]]:
    """The rows that a step, counted from 1, learns from."""
    batch, rows = plan.config.train.batch_size, len(plan.data.encoded[TRAIN].rows)

    def examples(step: int) -> list[int]:
        positions = np.arange((step - 1) * batch, step * batch, dtype=np.int64)
        return examples_at(positions, examples=rows, seed=seed).tolist()

    return examples


def _finished(run: RunFolder) -> SeedResult | None:
    """What a run that is finished has written; None if there is something left to do.

    A run whose weights were dropped is finished, one whose weights are others than its last is not.
    """
    with suppress(OSError, ValueError, KeyError, TypeError, RecursionError):
        result = SeedResult.of_json(json.loads(run.result.read_text(encoding="utf-8")))
        kept = run.all_checkpoints()
        if all(c.step == result.steps and fault_of(c.path, c.step) is None for c in kept):
            return result
    return None


def _keep_best(plan: FinetunePlan, found: Mapping[str, list[SeedResult]]) -> None:
    """Drops weights that nobody will use, and says nothing: their numbers stay.

    Those are weights of baselines, and where checkpoints are compared those of all seeds but the
    best of each; once all runs are finished, of all but the best checkpoint. A fine-tuning of one
    checkpoint keeps those of every seed.
    """
    metric, majority = plan.data.kind.metric, plan.data.majority()
    models = [column for column in plan.columns if column.role == "model" and found[column.name]]
    kept: list[SeedResult] = []
    if len(models) == 1 == sum(column.role == "model" for column in plan.columns):
        kept = list(found[models[0].name])
    elif all(len(runs) == len(plan.seeds) for runs in found.values()):
        kept = [Comparison(models, found, metric, majority, "").best]
    else:
        kept = [Comparison([column], found, metric, majority, "").best for column in models]
    for runs in found.values():
        for run in runs:
            if run not in kept:
                drop_weights(plan.folder.run(run.column, run.seed))


def inputs_of(plan: FinetunePlan, source_sha256: dict[str, str]) -> Inputs:
    """The record of what a plan uses; of each column's source what `weights_sha256` says."""
    return Inputs(
        source=str(plan.source),
        source_sha256=source_sha256,
        files={name: _given(path) for name, path in plan.files.items()},
        labels=plan.data.kind.labels,
        tokenizer=plan.item.tokenizer,
        vocab_sha256=vocabulary_sha256(plan.tokens),
        special_ids=special_ids(plan.tokens),
    )


def _given(path: Path) -> GivenFile:
    return GivenFile(path=str(path), bytes=path.stat().st_size, sha256=file_sha256(path))


def identity_of(plan: FinetunePlan, inputs: Inputs) -> dict[str, Any]:
    """What each checkpoint says of the fine-tuning it belongs to; see `runs.commit.Commit`."""
    files = {name: file.sha256 for name, file in inputs.files.items()}
    text = json.dumps([deciding(plan.config), files, inputs.labels], sort_keys=True)
    return {
        "config_sha256": hashlib.sha256(text.encode()).hexdigest(),
        "vocab_sha256": inputs.vocab_sha256,
        "tokenizer_sha256": tokenizer_sha256(inputs.vocab_sha256, inputs.tokenizer),
        "sizes": sizes_of(plan.architecture),
    }
