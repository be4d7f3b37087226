"""The kinds of tasks: rows out of examples, and scores and predictions out of outputs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from electra_cli.config.finetune import Kind, TaskConfig
from electra_cli.corpus.subword.open import TextIds
from electra_cli.finetuning.kinds.answers import Questions
from electra_cli.finetuning.kinds.base import TaskKind
from electra_cli.finetuning.kinds.texts import Classification, Regression
from electra_cli.finetuning.kinds.words import Tagging

_KINDS: Mapping[Kind, type[TaskKind]] = {
    "classification": Classification,
    "regression": Regression,
    "tagging": Tagging,
    "qa": Questions,
}


def kind_of(task: TaskConfig, labels: Sequence[str], tokenizer: TextIds) -> TaskKind:
    """The kind of a task.

    Args:
      task: The task.
      labels: Its labels in the order of their numbers; of a regression the least and the greatest
        number; of questions none.
      tokenizer: That of the model.
    """
    return _KINDS[task.kind](task, labels, tokenizer)
