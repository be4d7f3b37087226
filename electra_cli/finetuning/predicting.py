"""Predictions of the best run."""

from __future__ import annotations

from pathlib import Path

import tensorflow as tf

from electra_cli.errors import DataError
from electra_cli.finetuning.inference import PREDICT, Prediction
from electra_cli.finetuning.predictions import path_for, write_predictions
from electra_cli.finetuning.result import Comparison
from electra_cli.finetuning.run import Bench
from electra_cli.interop.restore import restore
from electra_cli.training.loop.signals import RunStoppedError, StopRequestedError, StopSignals


def predict_best(
    prediction: Prediction, comparison: Comparison, bench: Bench, signals: StopSignals
) -> Path:
    """Predicts with the best run, and writes a file.

    Returns:
      The file.

    Raises:
      RunStoppedError: A signal has come.
      DataError: The run's weights cannot be read.
      OutputError: The file is there with other predictions.
    """
    best, column = comparison.best, comparison.best_column
    trainer = bench.workbench.trainer(frozen=column.frozen)
    run = bench.plan.folder.run(best.column, best.seed)
    if not (kept := run.all_checkpoints()):
        raise DataError(
            f"{run.path} has no weights any more, and is the best run",
            hint=f"delete {run.result} yourself, and the same command again trains it anew",
        )
    checkpoint = kept[-1]
    restore(
        tf.train.Checkpoint(model=trainer.model),
        checkpoint.prefix,
        hint="run the same command again",
    )
    trainer.check_stop = signals.check
    try:
        outputs = bench.workbench.outputs_of(trainer, PREDICT, prediction.encoded.rows)
    except StopRequestedError:
        raise RunStoppedError(signals.received or 0, best.steps, checkpoint.path) from None
    found = bench.plan.data.kind.predictions(
        prediction.split.examples, prediction.encoded, outputs, best.threshold
    )
    kind = bench.plan.config.task.kind
    output = prediction.output or path_for(run, prediction.split.path, kind)
    write_predictions(output, found)
    return output
