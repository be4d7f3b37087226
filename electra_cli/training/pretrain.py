"""A pretraining run from start to finish, in acts."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
import tensorflow as tf
from official.modeling import performance

from electra_cli.errors import DataError
from electra_cli.files.atomic import atomic_write_text
from electra_cli.files.layout import STATE
from electra_cli.files.redaction import redacted
from electra_cli.inputs.order import examples_at
from electra_cli.inputs.store import lost_shards_named
from electra_cli.metrics.names import finite
from electra_cli.modeling.architecture import Architecture, sizes_of
from electra_cli.runs.changes import config_sha256
from electra_cli.runs.commit import read_commit
from electra_cli.runs.run_folder import RunFolder
from electra_cli.tasks.electra import ElectraPretrainTask
from electra_cli.training.devices import machine
from electra_cli.training.devices.strategy import build_strategy
from electra_cli.training.loop import actions
from electra_cli.training.loop.saving import CheckpointSaver, Keep, SaveAction
from electra_cli.training.loop.signals import RunStoppedError, StopRequestedError, StopSignals
from electra_cli.training.loop.state import restore
from electra_cli.training.loop.trainer import (
    ElectraTrainer,
    make_controller,
    silent_stdout,
    steps_per_loop,
)
from electra_cli.training.loop.watchdog import Watchdog
from electra_cli.training.plan.experiment import compose
from electra_cli.training.plan.initial import load_initial
from electra_cli.training.plan.outlook import Listener, Outlook, Progress, outlook_of
from electra_cli.training.plan.preflight import Plan, create_run_folder
from electra_cli.training.plan.readiness import checkpoint_bytes


def pretrain(
    plan: Plan,
    *,
    bindings: str,
    listener: Listener,
    signals: StopSignals,
    watchdog: Watchdog,
    started: float,
) -> dict[str, Any]:
    """Trains until `plan.stop`, or goes on where an earlier start of the same run ended.

    Args:
      plan: What `plan_run` has checked and `go_on` has completed; its run folder is locked.
      bindings: The gin bindings in force, for the record.
      listener: Is told what happens.
      signals: Tell whether to stop before that.
      watchdog: Is told whenever something has ended.
      started: `time.perf_counter()` at the start of the command.

    Returns:
      The object that `--json` prints.

    Raises:
      RunStoppedError: A signal has come; the state is saved.
      DataError: The checkpoint cannot be restored, or the first weights cannot be loaded.
      TrainingError: The run has diverged.
      OutOfMemoryError: The run cannot fit, or a step did not.
      IOFailedError: A checkpoint could not be saved, twice or at the end.
    """
    config, run = plan.config, plan.run
    if plan.data is None or plan.manifest is None:
        raise DataError("a run needs prepared data", hint="electra prepare-data INPUT --output DIR")

    # Devices, and the numbers before any work.
    lanes = machine.share_cores(plan.device, config)
    strategy = build_strategy(plan.device)
    signals.listen_again()  # TensorFlow takes SIGTERM for itself in a cluster
    outlook = outlook_of(plan, strategy)
    start = outlook.start_step
    listener.outlook(outlook)
    if outlook.shortage:
        listener.warn(outlook.shortage)

    # Task, model, optimizer, data. The first weights come before the trainer, which copies them
    # to its averages, and before the folder: with its config.yaml no hint could be followed.
    experiment = compose(
        config,
        plan.manifest,
        data=plan.data,
        precision=outlook.precision,
        replicas=outlook.replicas,
        xla=outlook.xla,
        lanes=lanes,
        start_step=start,
    )
    performance.set_mixed_precision_policy(outlook.precision)
    with strategy.scope():
        task = ElectraPretrainTask(experiment.task, logging_dir=str(run.path))
        model = task.build_model()
        initialized = None
        if plan.initial is not None:
            initialized = load_initial(plan.initial, model)
            listener.initialized(initialized)
        trainer = ElectraTrainer(
            experiment,
            task,
            model,
            task.create_optimizer(experiment.trainer.optimizer_config, experiment.runtime),
        )

    # Restored before anything is recorded: a change that the checkpoint cannot follow is refused,
    # and the former command still goes on.
    if plan.resume is not None:
        restore(
            trainer.checkpoint,
            plan.resume.prefix,
            hint="repeat the former command to go on: nothing was changed",
        )
    signals.check()
    create_run_folder(plan, bindings=bindings, initialized=initialized)

    # Checkpoints.
    resolver = strategy.cluster_resolver
    chief = resolver is None or resolver.task_id in (0, None) or resolver.task_type == "chief"
    folder = run if chief else RunFolder(run.path / f"worker-{resolver.task_id}")
    folder.path.mkdir(exist_ok=True)
    saver = CheckpointSaver(
        trainer.checkpoint,
        folder,
        identity={
            "config_sha256": config_sha256(config),
            "vocab_sha256": plan.manifest.vocab.sha256,
            "tokenizer_sha256": plan.manifest.tokenizer_sha256,
            "sizes": sizes_of(Architecture.of(config)),
        },
        keep=Keep(config.train.keep_checkpoints, config.train.keep_every, config.train.best_metric),
        needed_bytes=checkpoint_bytes(config),
    )
    saver.prepare()
    if plan.resume is not None:
        listener.resumed(plan.resume)

    # Actions: everything periodic.
    def step() -> int:
        return int(trainer.global_step.numpy())

    total, batch = plan.manifest.examples, config.train.batch_size

    def examples_of(number: int) -> list[int]:
        positions = np.arange((number - 1) * batch, number * batch, dtype=np.int64)
        return examples_at(positions, examples=total, seed=config.train.seed).tolist()

    writer = actions.MetricWriter(
        folder.metrics, folder.tensorboard, warn=listener.warn if chief else None
    )
    last_logs: dict[str, float] = {}

    def log(logs: Mapping[str, float]) -> None:
        writer.write("train", step(), dict(logs) | rates_of(trainer, outlook))

    def show(logs: Mapping[str, float]) -> None:
        last_logs.update(logs)
        rates = rates_of(trainer, outlook)
        left = trainer.clock.seconds_for(plan.stop - step())
        listener.progress(Progress(step(), plan.stop, logs, **rates, seconds_left=left))

    intervals = config.train
    save = SaveAction(
        saver,
        interval=intervals.checkpoint_every,
        last_step=plan.stop,
        step=step,
        warn=listener.warn,
    )
    controller = make_controller(
        trainer,
        strategy=strategy,
        loop_length=steps_per_loop(
            start,
            plan.stop,
            trainer.clock,
            intervals.log_every,
            intervals.checkpoint_every,
            intervals.evaluate_every,
        ),
        train_actions=[
            actions.stop_when_diverged(trainer, examples_of),
            actions.every(intervals.log_every, plan.stop, step, log),
            show,
            save,
            lambda logs: signals.check() if step() < plan.stop else None,
        ],
    )

    # Go.
    before: tuple[int, Mapping[str, float]] | None = None

    def evaluate() -> dict[str, float]:
        nonlocal before
        metrics = dict(controller.evaluate(steps=-1))
        # First, since a line in the log says that all of it is done.
        if intervals.best_metric is not None:
            save.record_evaluation(metrics)
        writer.write("validation", step(), metrics)
        listener.evaluated(step(), metrics, before)
        before = (step(), metrics)
        return metrics

    def go() -> dict[str, float]:
        metrics: dict[str, float] = {}
        if step() == 0:
            saver.save(0)
        # A run may have been stopped between a step and the evaluation that belongs to it.
        if step() % intervals.evaluate_every == 0 and not writer.has_evaluation(step()):
            metrics = evaluate()
        while step() < plan.stop:
            ahead = intervals.evaluate_every - step() % intervals.evaluate_every
            controller.train(min(step() + ahead, plan.stop), checkpoint_at_completion=False)
            metrics = evaluate()
        return metrics or evaluate()

    trainer.waiting_for = watchdog.waiting_for
    # Several workers would have to agree on where to stop: a signal ends one of them at once.
    if resolver is None:
        trainer.check_stop = signals.check
        signals.defer()
    try:
        with silent_stdout(), lost_shards_named(lambda: f"at step {step()}"):
            evaluation = go()
    except StopRequestedError:
        with silent_stdout():
            raise RunStoppedError(signals.received or 0, step(), saver.save(step())) from None
    except tf.errors.ResourceExhaustedError as error:
        raise outlook.memory.error(f"out of memory at step {step()}", begun=True) from error
    finally:
        writer.close()

    # What came of it.
    checkpoint = saver.save(step())
    best = saver.best()
    rates = rates_of(trainer, outlook)
    result = {
        "command": "pretrain",
        "run_dir": str(run.path),
        "preset": config.preset,
        "device": plan.device.text,
        "replicas": outlook.replicas,
        "precision": outlook.precision,
        "start_step": start,
        "final_step": step(),
        "parameters": asdict(outlook.budget.parameters),
        "flops_per_token": outlook.budget.flops_per_token,
        "losses": {k: last_logs.get(k) for k in ("total_loss", "masked_lm_loss", "disc_loss")},
        "sequences_per_second": rates["sequences_per_second"],
        "tokens_per_second": rates["tokens_per_second"],
        "matmul_peak_share": rates["peak_share"],
        "peak_memory_bytes": machine.peak_memory(strategy),
        "seconds": time.perf_counter() - started,
        "checkpoint": str(checkpoint / STATE),
        "best_checkpoint": str(best / STATE) if best else None,
        "state_sha256": read_commit(checkpoint).state_sha256,
        "evaluation": finite(evaluation),
    }
    if chief:
        atomic_write_text(run.result, json.dumps(redacted(result), indent=2) + "\n")
    return result


def rates_of(trainer: ElectraTrainer, outlook: Outlook) -> dict[str, float]:
    """Speed so far; zeros before the first loop has ended."""
    seconds = trainer.clock.seconds_per_step
    if not seconds:
        return {"sequences_per_second": 0.0, "tokens_per_second": 0.0, "peak_share": 0.0}
    tokens = outlook.budget.tokens_per_step / seconds
    batch = trainer.config.task.train_data.global_batch_size
    return {
        "sequences_per_second": batch / seconds,
        "tokens_per_second": tokens,
        "peak_share": tokens * outlook.budget.flops_per_token / outlook.peak_flops,
    }
