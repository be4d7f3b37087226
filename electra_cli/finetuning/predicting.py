"""Predictions of the best run."""

from __future__ import annotations

from pathlib import Path

import tensorflow as tf

from electra_cli.cluster.acts import by_chief
from electra_cli.errors import DataError
from electra_cli.finetuning.inference import PREDICT, Prediction
from electra_cli.finetuning.predictions import path_for, write_predictions
from electra_cli.finetuning.result import Comparison
from electra_cli.finetuning.run import Bench
from electra_cli.interop.restore import restore
from electra_cli.runs.run_folder import Checkpoint
from electra_cli.training.loop.signals import RunStoppedError, StopRequestedError, StopSignals
from electra_cli.training.plan.readiness import agreed_checkpoint


def predict_best(
    prediction: Prediction, comparison: Comparison, bench: Bench, signals: StopSignals
) -> Path:
    """Predicts with the best run, and writes a file.

    Returns:
      The file.

    Raises:
      RunStoppedError: A signal has come.
      ConfigError: A worker does not see the run's weights.
      DataError: The run's weights cannot be read.
      OutputError: The file is there with other predictions.
    """
    best, column, worker = comparison.best, comparison.best_column, bench.worker
    trainer = bench.workbench.trainer(frozen=column.frozen)
    run = bench.plan.folder.run(best.column, best.seed)

    def newest() -> Checkpoint:
        if not (kept := run.all_checkpoints()):
            raise DataError(
                f"{run.path} has no weights any more, and is the best run",
                hint=f"delete {run.result} yourself, and the same command again trains it anew",
            )
        return kept[-1]

    checkpoint = agreed_checkpoint(run, newest, worker)
    assert checkpoint is not None
    restore(
        tf.train.Checkpoint(model=trainer.model),
        checkpoint.prefix,
        hint="run the same command again",
    )
    trainer.check_stop = signals.check
    try:
        outputs = bench.workbench.outputs_of(trainer, PREDICT, prediction.encoded.rows)
    except StopRequestedError:
        number, origin = signals.received or 0, signals.origin
        raise RunStoppedError(number, best.steps, checkpoint.path, origin) from None

    def write() -> str:
        found = bench.plan.data.kind.predictions(
            prediction.split.examples, prediction.encoded, outputs, best.threshold
        )
        kind = bench.plan.config.task.kind
        output = prediction.output or path_for(run, prediction.split.path, kind)
        write_predictions(output, found)
        return str(output)

    return Path(by_chief(worker, "predictions", write))
