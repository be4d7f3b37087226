"""A pretraining run from start to finish, in acts."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

import tensorflow as tf
from official.modeling import performance

from electra_cli.config.schema import Precision, check_batch
from electra_cli.corpus.atomic import atomic_write_text
from electra_cli.errors import DataError
from electra_cli.interop.values import Report
from electra_cli.metrics.names import finite
from electra_cli.modeling.budget import Budget, Compute, budget_of, epochs_of
from electra_cli.task import ElectraPretrainTask
from electra_cli.training import actions, machine
from electra_cli.training.experiment import compose
from electra_cli.training.initial import load_initial
from electra_cli.training.preflight import Plan, create_run_folder
from electra_cli.training.run_folder import Checkpoint
from electra_cli.training.state import state_sha256
from electra_cli.training.strategy import build_strategy
from electra_cli.training.trainer import (
    ElectraTrainer,
    make_controller,
    silent_stdout,
    steps_per_loop,
)

# A guess for the time before anything was measured; the display says that it is one.
_ASSUMED_PEAK_SHARE = 0.3


@dataclass(frozen=True)
class Outlook:
    """What can be said before the first step.

    Attributes:
      budget: Parameters, FLOPs, tokens and memory.
      device: The devices in words.
      replicas: Copies of the model.
      asked: The precision that was asked for, which may be auto.
      precision: The compute type.
      xla: Whether the whole step is compiled.
      epochs: How often the run sees each example; None without data.
      peak_flops: The measured matmul peak, FLOP per second.
      start_step: The step it begins at.
      stop: The step it ends at.
      seconds: An estimate of the time it will take.
    """

    budget: Budget
    device: str
    replicas: int
    asked: Precision
    precision: Compute
    xla: bool
    epochs: float | None
    peak_flops: float
    start_step: int
    stop: int
    seconds: float


@dataclass(frozen=True)
class Progress:
    """The state of a running training.

    Attributes:
      step: Updates done.
      stop: Updates at the end.
      logs: Losses, gradient norm and learning rate of that step.
      sequences_per_second: Over all loops but the first.
      tokens_per_second: The same in tokens (padding included).
      peak_share: Share of the machine's measured matmul peak.
      seconds_left: Until the last step, without evaluations.
    """

    step: int
    stop: int
    logs: Mapping[str, float]
    sequences_per_second: float
    tokens_per_second: float
    peak_share: float
    seconds_left: float


class Listener(Protocol):
    """Who wants to see a run; everything it is told has happened already."""

    def outlook(self, outlook: Outlook) -> None:
        """The numbers before step 1."""

    def initialized(self, report: Report) -> None:
        """The first weights were loaded."""

    def resumed(self, checkpoint: Checkpoint) -> None:
        """A checkpoint was restored."""

    def progress(self, progress: Progress) -> None:
        """A loop has ended."""

    def evaluated(
        self,
        step: int,
        metrics: Mapping[str, float],
        before: tuple[int, Mapping[str, float]] | None,
    ) -> None:
        """A validation has ended; `before` is the previous one of this process."""


def outlook_of(plan: Plan, strategy: tf.distribute.Strategy, start_step: int = 0) -> Outlook:
    """Computes and measures what is printed before step 1."""
    replicas = strategy.num_replicas_in_sync
    check_batch(plan.config, replicas)
    precision = machine.resolve_precision(plan.config.runtime.precision, strategy)
    budget = budget_of(plan.config, replicas=replicas, precision=precision)
    peak = machine.matmul_peak(precision, strategy)
    per_step = budget.flops_per_token * budget.tokens_per_step / (peak * _ASSUMED_PEAK_SHARE)
    return Outlook(
        budget=budget,
        device=", ".join(d.split("device:")[-1] for d in strategy.extended.worker_devices),
        replicas=replicas,
        asked=plan.config.runtime.precision,
        precision=precision,
        xla=machine.resolve_xla(plan.config.runtime.xla, strategy),
        epochs=epochs_of(plan.config, plan.manifest.examples) if plan.manifest else None,
        peak_flops=peak,
        start_step=start_step,
        stop=plan.stop,
        seconds=per_step * (plan.stop - start_step),
    )


def pretrain(plan: Plan, *, bindings: str, listener: Listener, started: float) -> dict[str, Any]:
    """Trains until `plan.stop`, or goes on where an earlier start of the same run ended.

    Args:
      plan: What `plan_run` has checked.
      bindings: The gin bindings in force, for the record.
      listener: Is told what happens.
      started: `time.perf_counter()` at the start of the command.

    Returns:
      The object that `--json` prints.
    """
    config, run = plan.config, plan.run
    if plan.data is None or plan.manifest is None:
        raise DataError("a run needs prepared data", hint="electra prepare-data INPUT --output DIR")

    # Devices, and the numbers before any work.
    strategy = build_strategy(plan.device)
    checkpoints = run.all_checkpoints()
    start = checkpoints[-1].step if checkpoints else 0
    outlook = outlook_of(plan, strategy, start)
    listener.outlook(outlook)

    # Task, model, optimizer, data. The first weights come before the trainer, which copies them
    # to its averages, and before the folder: with its config.yaml no hint could be followed.
    experiment = compose(
        config,
        plan.manifest,
        data=plan.data,
        precision=outlook.precision,
        replicas=outlook.replicas,
        xla=outlook.xla,
        start_step=start,
    )
    performance.set_mixed_precision_policy(outlook.precision)
    with strategy.scope():
        task = ElectraPretrainTask(experiment.task, logging_dir=str(run.path))
        model = task.build_model()
        initialized = None
        if plan.initial is not None:
            try:
                initialized = load_initial(plan.initial, model)
            except DataError:
                with suppress(OSError):  # only an empty folder, from the check that it is writable
                    run.path.rmdir()
                raise
            listener.initialized(initialized)
        trainer = ElectraTrainer(
            experiment,
            task,
            model,
            task.create_optimizer(experiment.trainer.optimizer_config, experiment.runtime),
        )

    create_run_folder(plan, bindings=bindings, initialized=initialized)

    # Checkpoints: restore the newest.
    resolver = strategy.cluster_resolver
    chief = resolver is None or resolver.task_id in (0, None) or resolver.task_type == "chief"
    folder = run.checkpoints if chief else run.path / f"worker-{resolver.task_id}"
    manager = tf.train.CheckpointManager(
        trainer.checkpoint, str(folder), max_to_keep=config.train.keep_checkpoints
    )
    if checkpoints:
        status = trainer.checkpoint.restore(str(checkpoints[-1].prefix))
        status.assert_existing_objects_matched()
        listener.resumed(checkpoints[-1])

    # Actions: everything periodic.
    def step() -> int:
        return int(trainer.global_step.numpy())

    writer = actions.MetricWriter(run.metrics, run.tensorboard) if chief else None
    last_logs: dict[str, float] = {}

    def log(logs: Mapping[str, float]) -> None:
        if writer:
            writer.write("train", step(), dict(logs) | _rates(trainer, outlook))

    def show(logs: Mapping[str, float]) -> None:
        last_logs.update(logs)
        rates = _rates(trainer, outlook)
        left = (plan.stop - step()) * trainer.clock.seconds_per_step
        listener.progress(Progress(step(), plan.stop, logs, **rates, seconds_left=left))

    save = actions.save_with(manager, step)
    controller = make_controller(
        trainer,
        strategy=strategy,
        loop_length=steps_per_loop(
            start,
            plan.stop,
            config.train.log_every,
            config.train.checkpoint_every,
            config.train.evaluate_every,
        ),
        train_actions=[
            actions.stop_when_diverged(step),
            actions.every(config.train.log_every, plan.stop, step, log),
            show,
            actions.every(config.train.checkpoint_every, plan.stop, step, save),
        ],
    )

    # Go.
    before: tuple[int, Mapping[str, float]] | None = None

    def evaluate() -> dict[str, float]:
        nonlocal before
        metrics = dict(controller.evaluate(steps=-1))
        if writer:
            writer.write("validation", step(), metrics)
        listener.evaluated(step(), metrics, before)
        before = (step(), metrics)
        return metrics

    with silent_stdout():
        evaluation: dict[str, float] = {}
        if step() == 0:
            save()
            evaluation = evaluate()
        while step() < plan.stop:
            ahead = config.train.evaluate_every - step() % config.train.evaluate_every
            controller.train(min(step() + ahead, plan.stop), checkpoint_at_completion=False)
            evaluation = evaluate()
        if not evaluation:  # killed after the last step was saved and before its evaluation
            evaluation = evaluate()
    if writer:
        writer.close()

    # What came of it.
    rates = _rates(trainer, outlook)
    checkpoint = manager.latest_checkpoint or str(checkpoints[-1].prefix)
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
        "checkpoint": checkpoint,
        "state_sha256": state_sha256(Path(checkpoint)),
        "evaluation": finite(evaluation),
    }
    if chief:
        atomic_write_text(run.result, json.dumps(result, indent=2) + "\n")
    return result


def _rates(trainer: ElectraTrainer, outlook: Outlook) -> dict[str, float]:
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
