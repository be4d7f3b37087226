"""What is to be predicted: a file that need not have labels."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from electra_cli.errors import DataError, OutputError
from electra_cli.finetuning.examples.example import Split
from electra_cli.finetuning.examples.readers import read_split
from electra_cli.finetuning.features.encoded import Encoded
from electra_cli.finetuning.plan import FinetunePlan
from electra_cli.finetuning.predictions import check_format

PREDICT = "predict"


@dataclass(frozen=True)
class Prediction:
    """What is predicted once the training is done.

    Attributes:
      split: The examples.
      encoded: Their rows.
      output: The file to write; None for one that is called after the run.
    """

    split: Split
    encoded: Encoded
    output: Path | None


def plan_prediction(plan: FinetunePlan, file: Path, output: Path | None) -> Prediction:
    """Reads what is to be predicted, before anything is trained.

    Raises:
      ConfigError: The output's name says no format.
      DataError: The file cannot be used.
      InputMissingError: It is not there.
      OutputError: The output is there, and is none of an earlier start.
    """
    task = plan.config.task
    if output is not None:
        check_format(output, task.kind)
        if output.exists() and not plan.folder.begun:
            raise OutputError(
                f"{output} is there already",
                hint="--predictions FILE names another place; nothing is overwritten",
            )
    # A prediction for each row: none is passed over, whatever the task's files look like.
    split = read_split(file, task, name=PREDICT, labelled=False)
    if not split.examples:
        raise DataError(f"{file} has no examples", hint="--predict another file")
    return Prediction(split, plan.data.kind.encode(split.examples, training=False), output)
