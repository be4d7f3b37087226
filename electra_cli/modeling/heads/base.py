"""What every head has: outputs of the encoder's hidden states, and a loss for each row.

Shapes: B batch, S sequence, D hidden, C classes.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping

import tensorflow as tf

from electra_cli.modeling.dropout import Dropout
from electra_cli.modeling.layers import Dense

SCOPE = "task_head"  # what the names of a head's variables begin with

Tensors = Mapping[str, tf.Tensor]


class Head(tf.Module, ABC):
    """The layers of a task over the encoder.

    Matmuls run in the type of the hidden states but for the last one, which is small: logits are
    float32, and so is all that is made of them.
    """

    @abstractmethod
    def __call__(
        self, hidden: tf.Tensor, features: Tensors, dropout: Dropout, *, training: bool
    ) -> dict[str, tf.Tensor]:
        """What the head says of a batch.

        Args:
          hidden: [B·S, D] in the compute type.
          features: input_ids, input_mask and segment_ids, [B, S], and what the head asks for.
          dropout: The masks of this pass.
          training: Whether what is only needed to predict is left out.

        Returns:
          Float32 tensors, and int32 for positions, by name.
        """

    @abstractmethod
    def row_losses(self, features: Tensors, outputs: Tensors) -> tf.Tensor:
        """The loss of each row, of its labels and the outputs for it; [B] float32."""


def logits_of(layer: Dense, values: tf.Tensor) -> tf.Tensor:
    """The last layer of a head; [N, D] in the compute type -> [N, C] float32."""
    return layer(tf.cast(values, tf.float32))  # [N, C]


def cross_entropy(logits: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
    """-log softmax(logits)[label] in nats; [..., C] float32 and [...] integers -> [...]."""
    return tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits)
