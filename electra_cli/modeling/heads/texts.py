"""The head of classification and regression, which looks at a row's first token.

Sources: transformers, models/electra/modeling_electra.py, `ElectraClassificationHead`;
google-research/electra, finetune/classification/classification_tasks.py.

Shapes: B batch, S sequence, D hidden, C classes.
"""

from __future__ import annotations

import tensorflow as tf

from electra_cli.modeling.architecture import EncoderSizes
from electra_cli.modeling.dropout import Dropout, dropped
from electra_cli.modeling.fused import gelu
from electra_cli.modeling.heads.base import SCOPE, Head, Tensors, cross_entropy, logits_of
from electra_cli.modeling.heads.sizes import HeadSizes
from electra_cli.modeling.layers import Dense, glorot_uniform, length_of, truncated_normal

REFERENCE_DROPOUT = 0.1  # classification_tasks.py: keep_prob=0.9, whatever the encoder has


class TextHead(Head):
    """Logits [B, C] of classes, or predictions [B] of a number.

    Hugging Face's is dropout → dense(D) → GELU → dropout → dense(C), the reference's
    dropout → dense(C).

    Args:
      sizes: A classification or a regression.
      encoder: Sizes of what is below.
      seed: Of the weights at the start.
    """

    def __init__(self, sizes: HeadSizes, encoder: EncoderSizes, seed: int) -> None:
        super().__init__()
        self._is_regression = sizes.kind == "regression"
        classes = 1 if self._is_regression else sizes.classes
        self.dense = None
        if sizes.style == "huggingface":
            normal = truncated_normal(encoder.initializer_range, seed)
            self.dense = Dense(encoder.hidden, encoder.hidden, normal, f"{SCOPE}/dense")
            self.output = Dense(encoder.hidden, classes, normal, f"{SCOPE}/out_proj")
            self._dropout = encoder.hidden_dropout
        else:
            self.output = Dense(encoder.hidden, classes, glorot_uniform(seed), f"{SCOPE}/dense")
            self._dropout = REFERENCE_DROPOUT

    def __call__(
        self, hidden: tf.Tensor, features: Tensors, dropout: Dropout, *, training: bool
    ) -> dict[str, tf.Tensor]:
        """logits [B, C] or predictions [B]; arguments as of `Head`."""
        del training
        values = hidden[:: length_of(features["input_ids"])]  # [B, D]
        if self.dense is not None:
            values = gelu(self.dense(dropped(values, *dropout.draw(self._dropout))))  # [B, D]
        logits = logits_of(self.output, dropped(values, *dropout.draw(self._dropout)))  # [B, C]
        return {"predictions": logits[:, 0]} if self._is_regression else {"logits": logits}

    def row_losses(self, features: Tensors, outputs: Tensors) -> tf.Tensor:
        """Cross-entropy with label_ids [B], or the square of the error to targets [B]; [B]."""
        if self._is_regression:
            return tf.square(outputs["predictions"] - features["targets"])
        return cross_entropy(outputs["logits"], features["label_ids"])
