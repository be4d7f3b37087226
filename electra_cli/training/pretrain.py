"""A pretraining run from start to finish, in acts."""

from __future__ import annotations

import functools
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from official.modeling import performance

from electra_cli import __version__
from electra_cli.cluster.acts import ALONE, by_chief
from electra_cli.cluster.member import Worker
from electra_cli.config.rules.batches import batch_at, rows_before
from electra_cli.errors import OutOfMemoryError, TrainingError
from electra_cli.files.layout import STATE
from electra_cli.inputs.order import examples_at
from electra_cli.inputs.store import lost_shards_named
from electra_cli.interop.restore import restore
from electra_cli.interop.values import Report
from electra_cli.metrics.names import finite
from electra_cli.modeling.architecture import Architecture, sizes_of
from electra_cli.report.cost import read_goodput
from electra_cli.report.write import write_own
from electra_cli.runs.branch import read_branch
from electra_cli.runs.changes import config_sha256
from electra_cli.runs.commit import read_commit
from electra_cli.runs.mirror.mirror import Mirror
from electra_cli.runs.totals import totals_by_step
from electra_cli.tasks.electra import ElectraPretrainTask
from electra_cli.training.checkpoints.keeping import Keep
from electra_cli.training.checkpoints.saver import CheckpointSaver
from electra_cli.training.devices import machine
from electra_cli.training.devices.failures import failures_told
from electra_cli.training.devices.strategy import build_strategy
from electra_cli.training.loop.clock import Clock
from electra_cli.training.loop.evaluations import SentenceWriter
from electra_cli.training.loop.health import Health
from electra_cli.training.loop.listener import Listener
from electra_cli.training.loop.metric_writer import MetricWriter
from electra_cli.training.loop.peers import compare_devices, failures_named, leaving_together
from electra_cli.training.loop.session import Intervals, Session
from electra_cli.training.loop.signals import RunStoppedError, StopSignals
from electra_cli.training.loop.trainer import ElectraTrainer
from electra_cli.training.loop.watchdog import Watchdog
from electra_cli.training.plan.begin import create_run_folder
from electra_cli.training.plan.experiment import compose
from electra_cli.training.plan.frozen import load_frozen
from electra_cli.training.plan.initial import load_initial
from electra_cli.training.plan.outlook import Outlook, outlook_of
from electra_cli.training.plan.plans import RunPlan
from electra_cli.training.plan.readiness import checkpoint_bytes
from electra_cli.training.result import RunResult


def pretrain(
    plan: RunPlan,
    *,
    bindings: str,
    listener: Listener,
    signals: StopSignals,
    watchdog: Watchdog,
    health: Health,
    started: float,
    worker: Worker = ALONE,
    mirror: Mirror | None = None,
) -> dict[str, Any]:
    """Trains until `plan.stop`, or goes on where an earlier start of the same run ended.

    Args:
      plan: What `plan_run` has checked and `go_on` has completed; its run folder is locked.
      bindings: The gin bindings in force, for the record.
      listener: Hears what happens.
      signals: Tell whether to stop before that.
      watchdog: Hears whenever something has ended.
      health: What is wrong with the run up to where it goes on, and on what it is to stop.
      started: `time.perf_counter()` at the start of the command.
      worker: Which of several workers this is. The chief writes; the others compute the same.
      mirror: Hears of each checkpoint; None for no mirror.

    Returns:
      The object of `RunResult.as_json`; that of the chief at every worker.

    Raises:
      RunStoppedError: A signal has come; the state is saved.
      DataError: The checkpoint cannot be restored, or the first weights cannot be loaded.
      TrainingError: The run has diverged, or is to stop on what was found.
      OutOfMemoryError: The run cannot fit, or a step did not.
      IOFailedError: A checkpoint could not be saved, twice or at the end.
      TryAgainError: Another worker was lost, or a GPU.
    """
    train, runtime = plan.config.train, plan.config.runtime

    # Devices, and the numbers before any work.
    lanes = machine.share_cores(plan.device, plan.config, plan.cluster)

    def before() -> str:
        return "before the first step"

    with failures_named(worker, before):
        strategy = build_strategy(
            plan.device,
            worker=worker,
            share=runtime.share_device,
            tf32=runtime.tf32,
            warn=listener.warn,
        )
        watchdog.waiting_for("the first step")
        signals.listen_again()  # TensorFlow takes SIGTERM for itself in a cluster
        outlook = outlook_of(plan, strategy)
        listener.outlook(outlook)
        compare_devices(worker, outlook, strategy, listener.warn)

        # Task, model, optimizer, data. The first weights come before the folder: with its
        # config.yaml no hint could be followed.
        shortage = functools.partial(outlook.memory.error, begun=outlook.begun)
        with strategy.scope(), failures_told(before, shortage):
            trainer, initialized, generator = _build(plan, outlook, lanes)
        for loaded in (initialized, generator):
            if loaded is not None:
                listener.initialized(loaded)

        # Restored before anything is recorded: a change that the checkpoint cannot follow is
        # refused, and the former command still goes on.
        if plan.resume is not None:
            hint = "repeat the former command to go on: nothing was changed"
            restore(trainer.checkpoint, plan.resume.prefix, hint=hint)
    signals.check()
    by_chief(
        worker,
        "begin",
        lambda: create_run_folder(plan, bindings=bindings, initialized=initialized),
    )

    totals = totals_by_step(plan.config, plan.run, read_branch(plan.run))

    # Who writes what, and when.
    saver = CheckpointSaver(
        trainer.checkpoint,
        plan.run,
        identity=_identity(plan),
        keep=Keep(train.keep_checkpoints, train.keep_every, train.best_metric),
        needed_bytes=checkpoint_bytes(plan.config),
        worker=worker,
        mirror=mirror,
    )
    saver.prepare()
    if plan.resume is not None:
        listener.resumed(plan.resume)
    warn = listener.warn if worker.is_chief else None
    writer = MetricWriter(
        plan.run, plan.config, name=plan.run.path.resolve().name, warn=warn, note=listener.note
    )
    trainer.clock = Clock(agree=functools.partial(worker.of_chief, "seconds a step"))
    session = Session(
        trainer,
        Intervals(train.log_every, train.checkpoint_every, train.evaluate_every),
        stop=plan.stop,
        saver=saver,
        writer=writer,
        listener=listener,
        signals=signals,
        rates=lambda seconds: outlook.rates(seconds, batch_at(train, max(0, trainer.step() - 1))),
        work=functools.partial(rows_before, train),
        examples_of=functools.partial(_examples_of, plan),
        health=health,
        flops=lambda step: totals(step).flops,
        process={
            "began": round(time.time() - (time.perf_counter() - started), 3),
            "electra": __version__,
            "tensorflow": tf.__version__,
            "device": plan.device.text,
            "devices": outlook.device,
            "workers": plan.workers,
            "replicas": outlook.replicas,
            "precision": outlook.precision,
        },
        on_evaluation=[
            SentenceWriter(lambda: trainer.task.sentences.found, plan.run.held_out, warn)
        ],
    )

    # Go.
    trainer.waiting_for = watchdog.waiting_for
    trainer.check_stop = signals.check
    signals.defer()

    def when() -> str:
        return f"at step {trainer.reached()}"

    shortage = functools.partial(outlook.memory.error, begun=True)
    with leaving_together(worker), writer:
        try:
            with lost_shards_named(when), failures_named(worker, when, shortage):
                evaluation = session.run()
        except (TrainingError, RunStoppedError, OutOfMemoryError) as error:  # all is saved by now
            if worker.is_chief and (report := _report(plan, writer, listener)):
                error.hint += f"; {report} explains the run"
            raise

        # What came of it.
        checkpoint = saver.save(trainer.step())

        def result() -> dict[str, Any]:
            best, rates = saver.keep.best(plan.run), session.rates()
            found = RunResult(
                run_dir=str(plan.run.path),
                preset=plan.config.preset,
                device=plan.device.text,
                workers=plan.workers,
                replicas=outlook.replicas,
                precision=outlook.precision,
                tf32=runtime.tf32,
                start_step=plan.start,
                final_step=trainer.step(),
                parameters=outlook.budget.parameters,
                flops_per_token=outlook.budget.flops_per_token,
                flops=totals(trainer.step()).flops,
                losses={name: session.last_logs.get(name) for name in trainer.task.losses},
                sequences_per_second=rates.sequences_per_second,
                tokens_per_second=rates.tokens_per_second,
                matmul_peak_share=rates.peak_share,
                peak_memory_bytes=machine.peak_memory(strategy),
                seconds=time.perf_counter() - started,
                checkpoint=str(checkpoint / STATE),
                best_checkpoint=str(best / STATE) if best else None,
                state_sha256=read_commit(checkpoint).state_sha256,
                evaluation=finite(evaluation),
                findings=[finding.as_json() for finding in health.monitor.findings],
                goodput=read_goodput(plan.run, train, step=trainer.step()),
            )
            found.write(plan.run.result)
            if report := _report(plan, writer, listener):  # it says that the run is finished
                found = replace(found, report=str(report))
                found.write(plan.run.result)
            return found.as_json()

        return by_chief(worker, "result", result)


def _report(plan: RunPlan, writer: MetricWriter, listener: Listener) -> Path | None:
    """Writes the page that explains the run, and hands it to the trackers."""
    report = write_own(plan.run, warn=listener.warn)
    if report is not None:
        writer.report(report)
    return report


def _build(
    plan: RunPlan, outlook: Outlook, lanes: int
) -> tuple[ElectraTrainer, Report | None, Report | None]:
    """Task, model with its first weights, and optimizer; within the scope of a strategy.

    The first weights come before the trainer, which copies them to its averages. What was loaded is
    told, and of a generator that learns nothing apart.
    """
    experiment = compose(
        plan.config,
        plan.manifest,
        data=plan.manifest.folder,
        precision=outlook.precision,
        replicas=outlook.replicas,
        xla=outlook.xla,
        lanes=lanes,
        start_step=plan.start,
    )
    performance.set_mixed_precision_policy(outlook.precision)
    task = ElectraPretrainTask(experiment.task, logging_dir=str(plan.run.path))
    model = task.build_model()
    initialized = load_initial(plan.initial, model) if plan.initial is not None else None
    generator = load_frozen(plan.frozen, model) if plan.frozen is not None else None
    optimizer = task.create_optimizer(experiment.trainer.optimizer_config, experiment.runtime)
    return ElectraTrainer(experiment, task, model, optimizer), initialized, generator


def _identity(plan: RunPlan) -> dict[str, object]:
    """What each checkpoint says of the run it belongs to."""
    return {
        "config_sha256": config_sha256(plan.config),
        "vocab_sha256": plan.manifest.vocab.sha256,
        "tokenizer_sha256": plan.manifest.tokenizer_sha256,
        "sizes": sizes_of(Architecture.of(plan.config)),
    }


def _examples_of(plan: RunPlan, step: int) -> list[int]:
    """The examples that a step, counted from 1, learns from."""
    train, examples = plan.config.train, plan.manifest.examples
    positions = np.arange(rows_before(train, step - 1), rows_before(train, step), dtype=np.int64)
    return examples_at(positions, examples=examples, seed=train.seed).tolist()
