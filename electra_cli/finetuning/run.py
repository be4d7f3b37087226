"""A fine-tuning from start to finish: every column with every seed, one after the other."""

from __future__ import annotations

import functools
import hashlib
import json
import math
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import tensorflow as tf

from electra_cli.cluster.acts import ALONE, by_all, by_chief
from electra_cli.cluster.compare import check_same
from electra_cli.cluster.member import Worker
from electra_cli.corpus.subword.open import content_sha256
from electra_cli.corpus.wordpiece.identity import tokenizer_sha256
from electra_cli.errors import DataError, InputMissingError, TrainingError
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
from electra_cli.runs.run_folder import Checkpoint, RunFolder
from electra_cli.sources.exportable import Exportable
from electra_cli.sources.finetuned import GivenFile, Inputs
from electra_cli.training.checkpoints.keeping import Keep
from electra_cli.training.checkpoints.saver import CheckpointSaver
from electra_cli.training.devices import machine
from electra_cli.training.devices.failures import failures_told
from electra_cli.training.devices.strategy import build_strategy
from electra_cli.training.loop.clock import Clock
from electra_cli.training.loop.listener import Listener
from electra_cli.training.loop.metric_writer import MetricWriter
from electra_cli.training.loop.peers import compare_devices
from electra_cli.training.loop.session import Intervals, Session
from electra_cli.training.loop.signals import StopSignals
from electra_cli.training.loop.watchdog import Watchdog
from electra_cli.training.plan.outlook import Outlook, look_ahead
from electra_cli.training.plan.readiness import agreed_checkpoint


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
      worker: Which of several workers this is. The chief writes; the others compute the same.
    """

    plan: FinetunePlan
    workbench: Workbench
    identity: Mapping[str, Any]
    worker: Worker = ALONE


def outlook_of_plan(
    plan: FinetunePlan, strategy: tf.distribute.Strategy, *, dry_run: bool = False
) -> Outlook:
    """The numbers before step 1; arguments and errors as of `look_ahead`."""
    sizes = HeadSizes.of(plan.config.task, plan.data.kind.labels)
    variables = head_of(sizes, plan.architecture.main, 0).trainable_variables
    head = sum(int(np.prod(variable.shape)) for variable in variables)

    def budget(config: Any, replicas: int, precision: Compute, *, compiled: bool) -> Any:
        return task_budget(
            plan.architecture,
            config,
            head,
            replicas=replicas,
            precision=precision,
            compiled=compiled,
        )

    return look_ahead(
        plan.config,
        strategy,
        budget,
        length=plan.config.task.max_length,
        epochs=plan.config.train.epochs,
        start=0,
        stop=plan.steps,
        begun=plan.folder.begun,
        workers=plan.workers,
        dry_run=dry_run,
    )


def finetune(
    plan: FinetunePlan,
    *,
    listener: FinetuneListener,
    signals: StopSignals,
    watchdog: Watchdog,
    worker: Worker = ALONE,
) -> tuple[Comparison, Bench]:
    """Trains what is not finished yet, and compares all runs.

    Args:
      plan: What `plan_finetune` has checked; its folder is locked.
      listener: Hears what happens.
      signals: Tell whether to stop before the end.
      watchdog: Hears whenever something has ended.
      worker: Which of several workers this is.

    Raises:
      RunStoppedError: A signal has come; the state is saved.
      DataError: Weights cannot be read, or are not those of the folder's earlier starts.
      TrainingError: Every run has diverged.
      OutOfMemoryError: It cannot fit, or a step did not.
      IOFailedError: A checkpoint could not be saved, twice or at the end.
    """
    lanes = machine.share_cores(plan.device, plan.config, plan.cluster)
    runtime = plan.config.runtime
    strategy = build_strategy(
        plan.device,
        worker=worker,
        share=runtime.share_device,
        tf32=runtime.tf32,
        warn=listener.warn,
    )
    watchdog.waiting_for("the first step")
    signals.listen_again()  # TensorFlow takes SIGTERM for itself in a cluster
    outlook = outlook_of_plan(plan, strategy)
    listener.outlook(outlook)
    compare_devices(worker, outlook, strategy, listener.warn)
    sources = {column.name: column.source for column in plan.columns if column.source is not None}
    inputs = by_all(
        worker,
        "sources",
        lambda: inputs_of(plan, {name: weights_sha256(one) for name, one in sources.items()}),
    )
    check_same(worker, {"weights": inputs.source_sha256})
    signals.check()
    by_chief(
        worker,
        "begin",
        lambda: plan.folder.begin(plan.config, plan.item.config, inputs, plan.tokenizer),
    )
    workbench = Workbench(plan.config, plan.data, plan.architecture, strategy, outlook, lanes)
    bench = Bench(plan, workbench, identity_of(plan, inputs), worker)
    finished = by_chief(worker, "finished", lambda: [r.as_json() for r in _finished_runs(plan)])
    comparison = Comparison(
        (), {}, plan.data.kind.metric, plan.data.majority(), plan.config.preset
    ).joined([SeedResult.of_json(record) for record in finished])
    before = {(run.column, run.seed) for runs in comparison.runs.values() for run in runs}
    jobs = [(column, seed) for seed in plan.seeds for column in plan.columns]
    for number, (column, seed) in enumerate(jobs, start=1):
        if (column.name, seed) in before:
            continue
        listener.begins(column, seed, number, len(jobs), plan.steps)
        run = plan.folder.run(column.name, seed)
        try:
            weights = by_all(worker, "weights", functools.partial(_weights, column.source))
            result = train_run(
                bench, column, seed, weights, listener=listener, signals=signals, watchdog=watchdog
            )
        except TrainingError as error:
            listener.warn(f"{column.label}, seed {seed} has diverged: {error.message}")
            result = SeedResult.diverged(column, seed, plan.data.metrics)
        comparison = comparison.joined([result])

        def write(result: SeedResult, run: RunFolder, comparison: Comparison) -> None:
            if not result.state_sha256:
                drop_weights(run)
            plan.folder.write_result(run.result, result.as_json())
            _keep_best(plan, comparison, before)

        by_chief(worker, "write", functools.partial(write, result, run, comparison))
        listener.finished(column, result)
    return comparison, bench


def _weights(source: Exportable | None) -> Weights | None:
    if source is None:
        return None
    try:
        return encoder_weights(source)
    except InputMissingError as error:
        raise InputMissingError(
            f"{error.message}: it was there when the command began",
            hint="electra pretrain deletes all but the newest checkpoints; --set "
            "train.keep_every=N keeps some for ever. The same command again goes on with those "
            "that are there",
        ) from error


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
    plan, workbench, worker = bench.plan, bench.workbench, bench.worker
    run, train, stop = plan.folder.run(column.name, seed), plan.config.train, workbench.steps
    trainer = workbench.trainer(frozen=column.frozen)
    workbench.begin(trainer, weights, seed=seed)
    trainer.clock = Clock(agree=functools.partial(worker.of_chief, "seconds a step"))
    checkpoint = agreed_checkpoint(run, functools.partial(_resume, bench, run, listener), worker)
    if checkpoint is not None:
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
        worker=worker,
    )
    saver.prepare()
    writer = MetricWriter(
        run,
        plan.config,
        name=f"{plan.folder.path.resolve().name}-{column.name}-seed-{seed}",
        warn=listener.warn if worker.is_chief else None,
        note=listener.note,
    )
    session = Session(
        trainer,
        Intervals(train.log_every, train.checkpoint_every, stop, from_step_0=False),
        stop=stop,
        saver=saver,
        writer=writer,
        listener=listener,
        signals=signals,
        rates=workbench.outlook.rates,
        examples_of=_examples_of(plan, seed),
    )
    trainer.waiting_for = watchdog.waiting_for
    trainer.check_stop = signals.check
    signals.defer()
    shortage = functools.partial(workbench.outlook.memory.error, begun=True)
    with writer, failures_told(lambda: f"at step {trainer.reached()}", shortage):
        metrics = session.run()
    saved = saver.save(trainer.step())

    def result() -> dict[str, Any]:
        numbers = finite(
            {
                "loss": session.last_logs.get("loss", math.nan),
                "speed": session.rates().sequences_per_second,
            }
        )
        return SeedResult(
            **column.record,
            seed=seed,
            steps=trainer.step(),
            loss=numbers["loss"],
            metrics=finite(metrics),
            threshold=plan.data.kind.threshold(metrics),
            state_sha256=read_commit(saved).state_sha256,
            sequences_per_second=numbers["speed"] or 0.0,
        ).as_json()

    return SeedResult.of_json(by_chief(worker, "result of a run", result))


def _resume(bench: Bench, run: RunFolder, listener: Listener) -> Checkpoint | None:
    """Makes the folder of a run, and finds where it goes on; None for one that begins."""
    run.path.mkdir(parents=True, exist_ok=True)
    checkpoint = resume_point(run, warn=listener.warn, saves_first=False)
    if checkpoint is None:
        return None
    if read_commit(checkpoint.path).config_sha256 != bench.identity["config_sha256"]:
        raise DataError(
            f"{checkpoint.path} is of another fine-tuning",
            hint=f"put the checkpoints of {run.path} back, or choose another --output",
        )
    return checkpoint


def _examples_of(plan: FinetunePlan, seed: int) -> Callable[[int], list[int]]:
    """The rows that a step, counted from 1, learns from."""
    batch, rows = plan.config.train.batch_size, len(plan.data.encoded[TRAIN].rows)

    def examples(step: int) -> list[int]:
        positions = np.arange((step - 1) * batch, step * batch, dtype=np.int64)
        return examples_at(positions, examples=rows, seed=seed).tolist()

    return examples


def _finished_runs(plan: FinetunePlan) -> list[SeedResult]:
    """What finished runs of earlier starts have written, also of columns that are not asked for.

    A run whose weights were dropped is finished, one whose weights are others than its last is not.
    """
    found = []
    for path in sorted(plan.folder.path.glob("*/seed-*/result.json")):
        with suppress(OSError, ValueError, KeyError, TypeError, RecursionError):
            result = SeedResult.of_json(json.loads(path.read_text(encoding="utf-8")))
            kept = RunFolder(path.parent).all_checkpoints()
            if all(c.step == result.steps and fault_of(c.path, c.step) is None for c in kept):
                found.append(result)
    return found


def _keep_best(
    plan: FinetunePlan, comparison: Comparison, before: Collection[tuple[str, int]]
) -> None:
    """Drops weights that nobody will use: their numbers stay.

    Those are weights of baselines and, where checkpoints are compared, of all seeds but the best
    of each. What an earlier start has kept stays.
    """
    both = (*plan.columns, *comparison.columns)
    models = {column.name for column in both if column.role == "model"}
    for column in comparison.columns:
        runs = comparison.runs[column.name]
        if models == {column.name}:
            continue
        whole = [run for run in runs if run.state_sha256]
        kept = comparison.best_of(column) if column.role == "model" and whole else None
        for run in runs:
            if run != kept and (run.column, run.seed) not in before:
                drop_weights(plan.folder.run(run.column, run.seed))


def inputs_of(plan: FinetunePlan, source_sha256: dict[str, str]) -> Inputs:
    """The record of what a plan uses; of each column's source what `weights_sha256` says."""
    return Inputs(
        source=str(plan.source),
        source_sha256=source_sha256,
        files={name: _given(path) for name, path in plan.files.items()},
        labels=plan.data.kind.labels,
        tokenizer=plan.item.tokenizer,
        vocab_sha256=content_sha256(plan.tokenizer),
        special_ids=plan.tokenizer.special,
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
