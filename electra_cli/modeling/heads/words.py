"""The head of tagging, which looks at the first word piece of each word.

Sources: transformers, models/electra/modeling_electra.py, `ElectraForTokenClassification`;
google-research/electra, finetune/tagging/tagging_tasks.py.

Shapes: B batch, S sequence, W words of a row, D hidden, C classes.
"""

from __future__ import annotations

import tensorflow as tf

from electra_cli.modeling.architecture import EncoderSizes
from electra_cli.modeling.dropout import Dropout
from electra_cli.modeling.fused import dropout_of
from electra_cli.modeling.heads.base import SCOPE, Head, Tensors, cross_entropy, logits_of
from electra_cli.modeling.heads.sizes import HeadSizes
from electra_cli.modeling.layers import Dense, glorot_uniform, length_of, truncated_normal
from electra_cli.modeling.lookup import rows_at


class WordHead(Head):
    """Logits [B, W, C] of each word's tags.

    Hugging Face's is dropout → dense(C), the reference's dense(C).

    Args:
      sizes: A tagging.
      encoder: Sizes of what is below.
      seed: Of the weights at the start.
    """

    def __init__(self, sizes: HeadSizes, encoder: EncoderSizes, seed: int) -> None:
        super().__init__()
        if sizes.style == "huggingface":
            initializer = truncated_normal(encoder.initializer_range, seed)
            name, self._dropout = f"{SCOPE}/classifier", encoder.hidden_dropout
        else:
            initializer, name, self._dropout = glorot_uniform(seed), f"{SCOPE}/dense", 0.0
        self.output = Dense(encoder.hidden, sizes.classes, initializer, name)

    def __call__(
        self, hidden: tf.Tensor, features: Tensors, dropout: Dropout, *, training: bool
    ) -> dict[str, tf.Tensor]:
        """logits [B, W, C] at labeled_positions [B, W]; other arguments as of `Head`."""
        del training
        draw = dropout.draw(self._dropout)
        values = dropout_of(hidden, draw.key, rate=draw.rate)  # [B·S, D]
        logits = logits_of(self.output, values)  # [B·S, C]
        # Words are picked from the logits, since the gradient of picking them from what is D wide
        # would add up rows of that width.
        length = length_of(features["input_ids"])
        logits = tf.reshape(logits, [-1, length, logits.shape[-1]])  # [B, S, C]
        return {"logits": rows_at(logits, features["labeled_positions"])}  # [B, W, C]

    def row_losses(self, features: Tensors, outputs: Tensors) -> tf.Tensor:
        """Sum over words of the cross-entropy with labels [B, W], where labels_mask is 1; [B]."""
        of_words = cross_entropy(outputs["logits"], features["labels"])  # [B, W]
        return tf.reduce_sum(of_words * features["labels_mask"], axis=-1)  # [B]
