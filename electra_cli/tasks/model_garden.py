"""Our task in the place of Model Garden's own: its configuration, and statically masked records.

Shapes: B rows of a replica, S sequence.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import tensorflow as tf

from electra_cli.config.schema import Config
from electra_cli.inputs import masking
from electra_cli.inputs.batch import checked_batch
from electra_cli.interop import model_garden
from electra_cli.modeling.architecture import Architecture
from electra_cli.modeling.losses import next_sentence_cross_entropy, require, total_of
from electra_cli.objectives.electra import Electra
from electra_cli.tasks.electra import ElectraPretrainTask
from electra_cli.tasks.masked import seed_of
from electra_cli.tasks.step import replica_id

if TYPE_CHECKING:
    from electra_cli.objectives.base import Tensors

_NEXT_SENTENCE = "next_sentence_loss"


class WithNextSentence(Electra):
    """ELECTRA whose generator also learns BERT's next-sentence labels."""

    @property
    def weights(self) -> dict[str, float]:
        """Those of ELECTRA, and 1."""
        return super().weights | {_NEXT_SENTENCE: 1.0}

    def counts(self, features: Tensors) -> dict[str, tf.Tensor]:
        """Also of rows."""
        rows = tf.cast(tf.shape(features["input_mask"])[0], tf.float32)
        return super().counts(features) | {_NEXT_SENTENCE: rows}

    def sums(self, features: Tensors, outputs: Tensors) -> dict[str, tf.Tensor]:
        """Also of the next-sentence loss."""
        labels = require(features, "next_sentence_labels")  # [B]
        nats = next_sentence_cross_entropy(outputs["next_sentence_logits"], labels)  # [B]
        return super().sums(features, outputs) | {_NEXT_SENTENCE: total_of(nats)}


class StaticRecordsTask(ElectraPretrainTask):
    """ELECTRA as Model Garden configures it, on records that were masked when they were written.

    Args:
      params: Model Garden's `ElectraPretrainConfig`.
      logging_dir: Where a trainer writes its logs.
      name: Of the task.

    Raises:
      ConfigError: Something in the configuration that our model does not have.
    """

    def __init__(
        self, params: Any, logging_dir: str | None = None, name: str | None = None
    ) -> None:
        super().__init__(params, logging_dir, name=name)
        if self._architecture.next_sentence is not None:
            self.objective = WithNextSentence(self._settings.objective)

    @staticmethod
    def described(params: Any) -> tuple[Config, Architecture]:
        """Settings and sizes, mapped onto ours."""
        config = model_garden.settings_of(params)
        return config, model_garden.architecture_of(params, config.train.seed)

    def build_inputs(
        self, params: Any, input_context: tf.distribute.InputContext | None = None
    ) -> tf.data.Dataset:
        """Their records, read by their loader.

        Args:
          params: A `BertPretrainDataConfig`.
          input_context: Which of several pipelines this one is.
        """
        return model_garden.dataset(params, input_context)

    def _features(
        self, inputs: Mapping[str, tf.Tensor], *, training: bool, step: Any = 0
    ) -> masking.Features:
        inputs = checked_batch(inputs, self._architecture.vocab_size)
        if "input_word_ids" not in inputs:
            return dict(inputs)
        return model_garden.features_of(
            inputs,
            seed=seed_of(self._settings, training=training),
            step=tf.cast(step if training else 0, tf.int64),
            first_row=replica_id() * tf.shape(inputs["input_word_ids"], tf.int64)[0],
        )

    def _held_out_data(self) -> None:
        """None: there is no prepared data to ask."""
