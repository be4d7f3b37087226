"""Labelled data as a fine-tuned model reads it, checked before TensorFlow starts."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from electra_cli.errors import DataError
from electra_cli.finetuning.data import fixed
from electra_cli.finetuning.examples.checks import unknown_labels
from electra_cli.finetuning.examples.example import Split
from electra_cli.finetuning.examples.glue import GLUE_TASKS
from electra_cli.finetuning.examples.readers import read_split
from electra_cli.finetuning.features.encoded import Encoded
from electra_cli.finetuning.kinds import kind_of
from electra_cli.finetuning.kinds.base import Outputs, TaskKind
from electra_cli.sources.finetuned import Finetuned

_NAME = "dev"
_OPTIONS = ("--text", "--label", "--column", "--task", "--set")  # of finetune alone
_HINT = (
    "score data with labels, in columns as in the training; data without labels is for `electra "
    "finetune` with --predict FILE"
)


@dataclass(frozen=True)
class LabelledData:
    """What a model is scored on.

    Attributes:
      model: Whom it is for.
      kind: Of its task.
      split: The examples.
      encoded: Their rows.
      warnings: What no model can get right, in sentences.
    """

    model: Finetuned
    kind: TaskKind
    split: Split
    encoded: Encoded
    warnings: tuple[str, ...]

    @property
    def metrics(self) -> tuple[str, ...]:
        """Names of the scores, in the order to show them."""
        return self.kind.metrics_of(self.split.examples)

    def score(self, outputs: Outputs) -> dict[str, float]:
        """The scores of a model's outputs, at the threshold that was chosen in training."""
        threshold = fixed(self.model.result.get("threshold"))
        found = self.kind.predictions(self.split.examples, self.encoded, outputs, threshold)
        return self.kind.scores(self.split.examples, found)


def labelled_data(model: Finetuned, path: Path) -> LabelledData:
    """Reads a file for a model.

    Args:
      model: What `open_finetuned` opened.
      path: A labelled file, with columns as in the training.

    Raises:
      InputMissingError: The file is not there.
      DataError: It cannot be used, or has labels that the model does not know.
    """
    task, labels = model.config.task, model.inputs.labels
    short = model.config.preset in GLUE_TASKS
    try:
        split = read_split(path, task, name=_NAME, skips_short_rows=short)
    except DataError as error:
        if any(option in error.hint for option in _OPTIONS):
            raise DataError(error.message, hint=_HINT) from error
        raise
    warnings: tuple[str, ...] = ()
    if task.kind in ("classification", "tagging"):
        warnings = tuple(unknown_labels(split, labels, f"{model.run.path} does not know", task))
    kind = kind_of(task, labels, model.text_ids)
    return LabelledData(model, kind, split, kind.encode(split.examples, training=False), warnings)
