"""Hugging Face's head of question answering: where an answer begins and where it ends.

Source: transformers, models/electra/modeling_electra.py, `ElectraForQuestionAnswering`.

Shapes: B batch, S sequence, D hidden.
"""

from __future__ import annotations

import tensorflow as tf

from electra_cli.modeling.architecture import EncoderSizes
from electra_cli.modeling.dropout import Dropout
from electra_cli.modeling.heads.base import SCOPE, Head, Tensors, cross_entropy, logits_of
from electra_cli.modeling.layers import Dense, length_of, truncated_normal


class SpanHead(Head):
    """dense(2): start_logits and end_logits [B, S]; no answer is position 0.

    Neither outputs nor loss know which positions may be answers, as in Hugging Face's model: who
    picks an answer leaves out the others. With a loss over the context alone the logits of question
    and padding would be anything, and an exported model wrong for those who take the largest logit
    of all, as its documentation shows.

    Args:
      encoder: Sizes of what is below.
      seed: Of the weights at the start.
    """

    def __init__(self, encoder: EncoderSizes, seed: int) -> None:
        super().__init__()
        initializer = truncated_normal(encoder.initializer_range, seed)
        self.output = Dense(encoder.hidden, 2, initializer, f"{SCOPE}/qa_outputs")

    def __call__(
        self, hidden: tf.Tensor, features: Tensors, dropout: Dropout, *, training: bool
    ) -> dict[str, tf.Tensor]:
        """start_logits and end_logits, [B, S]; arguments as of `Head`."""
        del dropout, training
        logits = logits_of(self.output, hidden)  # [B·S, 2]
        logits = tf.reshape(logits, [-1, length_of(features["input_ids"]), 2])  # [B, S, 2]
        start, end = tf.unstack(logits, axis=-1)  # each [B, S]
        return {"start_logits": start, "end_logits": end}

    def row_losses(self, features: Tensors, outputs: Tensors) -> tf.Tensor:
        """Mean of the cross-entropies with start_positions and end_positions [B]; [B]."""
        return span_losses(features, outputs)


def span_losses(features: Tensors, outputs: Tensors) -> tf.Tensor:
    """Mean of the cross-entropies of start and end; [B]."""
    start = cross_entropy(outputs["start_logits"], features["start_positions"])  # [B]
    end = cross_entropy(outputs["end_logits"], features["end_positions"])  # [B]
    return (start + end) / 2.0
