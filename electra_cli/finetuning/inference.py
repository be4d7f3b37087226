"""What is to be predicted: a file that need not have labels."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from electra_cli.errors import DataError
from electra_cli.finetuning.examples.example import Split
from electra_cli.finetuning.examples.glue import GLUE_TASKS
from electra_cli.finetuning.examples.readers import read_split
from electra_cli.finetuning.features.encoded import Encoded
from electra_cli.finetuning.plan import FinetunePlan
from electra_cli.finetuning.predictions import check_format, path_for

PREDICT = "predict"


@dataclass(frozen=True)
class Prediction:
    """What is predicted once the training is done.

    Attributes:
      split: The examples.
      encoded: Their rows.
      output: The file to write.
    """

    split: Split
    encoded: Encoded
    output: Path


def plan_prediction(plan: FinetunePlan, file: Path, output: Path | None) -> Prediction:
    """Reads what is to be predicted, before anything is trained.

    Raises:
      ConfigError: The output's name says no format.
      DataError: The file cannot be used.
      InputMissingError: It is not there.
    """
    task = plan.config.task
    path = output or path_for(plan.folder.path, file, task.kind)
    check_format(path, task.kind)
    short = plan.config.preset in GLUE_TASKS
    split = read_split(file, task, name=PREDICT, labelled=False, skips_short_rows=short)
    if not split.examples:
        raise DataError(f"{file} has no examples", hint="--predict another file")
    return Prediction(split, plan.data.kind.encode(split.examples, training=False), path)
