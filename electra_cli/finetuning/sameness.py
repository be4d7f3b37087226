"""What has to be the same at all workers of a fine-tuning before any of them begins."""

from __future__ import annotations

from typing import Any

from electra_cli.corpus.subword.open import content_sha256
from electra_cli.corpus.wordpiece.identity import tokenizer_sha256
from electra_cli.finetuning.inference import PREDICT, Prediction
from electra_cli.finetuning.plan import FinetunePlan
from electra_cli.runs.commit import file_sha256
from electra_cli.training.plan.sameness import facts_of_config


def facts_of(plan: FinetunePlan, prediction: Prediction | None) -> dict[str, Any]:
    """What a worker is about to do, in the groups in which it is compared.

    Weights that are not a checkpoint of ours are compared when they are read.

    Args:
      plan: Its plan.
      prediction: What is predicted afterwards; None for nothing.
    """
    files = dict(plan.files)
    if prediction is not None:
        files[PREDICT] = prediction.split.path
    vocab = content_sha256(plan.tokenizer)
    return {
        "vocabulary": {"tokenizer": tokenizer_sha256(vocab, plan.item.tokenizer)},
        "data": {name: file_sha256(path) for name, path in files.items()},
        "configuration": facts_of_config(plan.config),
        "command": {
            "--task": plan.config.preset,
            "models": [column.name for column in plan.columns],
        },
        "weights": {
            column.name: column.source.checkpoint.state_sha256
            for column in plan.columns
            if column.source is not None and column.source.checkpoint is not None
        },
    }
