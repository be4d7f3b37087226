"""A fine-tuned model over labelled data, in float32."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import tensorflow as tf
from official.core import config_definitions as cfg
from official.modeling import performance

from electra_cli.corpus.wordpiece.vocabulary import load_vocabulary
from electra_cli.errors import DataError
from electra_cli.finetuning.data import fixed
from electra_cli.finetuning.examples.example import Split
from electra_cli.finetuning.examples.glue import GLUE_TASKS
from electra_cli.finetuning.examples.labels import each_label
from electra_cli.finetuning.examples.readers import read_split
from electra_cli.finetuning.features.text_tokenizer import TextTokenizer
from electra_cli.finetuning.kinds import kind_of
from electra_cli.finetuning.kinds.base import Outputs
from electra_cli.interop.restore import restore
from electra_cli.metrics.names import finite
from electra_cli.modeling.architecture import Architecture
from electra_cli.optimization.adamw import ElectraAdamW
from electra_cli.sources.finetuned import Finetuned
from electra_cli.tasks.finetune import FinetuneTask, FinetuneTaskConfig, LabelledDataConfig
from electra_cli.training.devices.strategy import build_strategy, parse_device
from electra_cli.training.loop.trainer import ElectraTrainer

_NAME = "dev"


@dataclass(frozen=True)
class EvaluatedFinetuned:
    """The scores of a fine-tuned model.

    Attributes:
      model: Which.
      examples: How many were scored.
      metrics: By name, in the order to show them.
    """

    model: Finetuned
    examples: int
    metrics: dict[str, float | None]


def evaluate_finetuned(
    models: Sequence[Finetuned], data: Path, *, device: str = "auto"
) -> list[EvaluatedFinetuned]:
    """Scores models.

    Args:
      models: What `open_finetuned` opened.
      data: A labelled file, with columns as in the training.
      device: As in `pretrain`.

    Raises:
      InputMissingError: The file is not there.
      DataError: It cannot be used, or has labels that a model does not know.
    """
    strategy = build_strategy(parse_device(device))
    performance.set_mixed_precision_policy("float32")
    return [_evaluate(model, data, strategy) for model in models]


def _evaluate(model: Finetuned, data: Path, strategy: tf.distribute.Strategy) -> EvaluatedFinetuned:
    config, task = model.config, model.config.task
    short = config.preset in GLUE_TASKS
    split = read_split(data, task, name=_NAME, skips_short_rows=short)
    _check_labels(split, model)
    tokenizer = TextTokenizer(load_vocabulary(model.vocab), model.inputs.tokenizer)
    kind = kind_of(task, model.inputs.labels, tokenizer)
    encoded = kind.encode(split.examples, training=False)

    def score(outputs: Outputs) -> dict[str, float]:
        threshold = fixed(model.result.get("threshold"))
        found = kind.predictions(split.examples, encoded, outputs, threshold)
        return kind.scores(split.examples, found)

    experiment = cfg.ExperimentConfig(
        task=FinetuneTaskConfig(
            validation_data=LabelledDataConfig(
                split=_NAME, global_batch_size=config.train.batch_size, is_training=False
            )
        )
    )
    with strategy.scope():
        finetune = FinetuneTask(
            experiment.task,
            config=config,
            architecture=Architecture.of(model.sizes),
            head=model.head,
            rows={_NAME: encoded.rows},
            score=score,
        )
        trainer = ElectraTrainer(
            experiment, finetune, finetune.build_model(), ElectraAdamW(), train=False
        )
    restore(
        tf.train.Checkpoint(model=trainer.model),
        model.checkpoint.prefix,
        hint="choose another run of the fine-tuning",
    )
    metrics = trainer.held_out_metrics()
    return EvaluatedFinetuned(model, len(split.examples), finite(metrics))


def _check_labels(split: Split, model: Finetuned) -> None:
    """Refuses labels that a model cannot say."""
    if model.config.task.kind not in ("classification", "tagging"):
        return
    unknown = sorted({str(label) for label in each_label(split)} - set(model.inputs.labels))
    if unknown:
        raise DataError(
            f"{split.path} has {len(unknown)} labels that {model.run.path} does not know, "
            f"{unknown[0]!r} among them; it knows {', '.join(model.inputs.labels[:10])}",
            hint="score data that is labelled as the training data was",
        )
