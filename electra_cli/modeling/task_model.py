"""An encoder with the head of a task.

Shapes: B batch, S sequence, E embedding, D hidden.
"""

from __future__ import annotations

import dataclasses

import tensorflow as tf
import tf_keras

from electra_cli.modeling.architecture import Architecture, EncoderSizes
from electra_cli.modeling.dropout import Dropout
from electra_cli.modeling.encoder import Embeddings, Encoder
from electra_cli.modeling.heads.base import Head
from electra_cli.modeling.heads.reference_spans import ReferenceSpanHead
from electra_cli.modeling.heads.sizes import HeadSizes
from electra_cli.modeling.heads.spans import SpanHead
from electra_cli.modeling.heads.texts import TextHead
from electra_cli.modeling.heads.words import WordHead


class TaskModel(tf_keras.Model):
    """What is fine-tuned: the main network of an architecture and a head.

    The encoder's variables have the names that they have in `ElectraModel`, those of the head begin
    with task_head/.

    Args:
      architecture: Of the encoder; what else it has is left out.
      head: Which head.
      seed: Of all weights at the start; a source replaces those of the encoder.
      frozen: The encoder stays as it is: only the head is trained, over an encoder without dropout.
      compute_dtype: The type of matmuls and activations; parameters are float32.

    Attributes:
      embeddings: Of the encoder.
      encoder: The main network.
      task_head: The head, which also knows its loss.
    """

    def __init__(
        self,
        architecture: Architecture,
        head: HeadSizes,
        *,
        seed: int,
        frozen: bool = False,
        compute_dtype: str = "float32",
    ) -> None:
        # float32 and no autocast: this model decides itself what runs in which type.
        super().__init__(name="electra_task", dtype="float32", autocast=False)
        self._matmul_dtype = tf.as_dtype(compute_dtype)
        self._frozen = frozen
        # What saves memory while pretraining was asked for there, and costs time here.
        self.architecture = dataclasses.replace(architecture, seed=seed, recomputes=False)
        sizes, embedding = architecture.main, architecture.embedding
        self.embeddings = Embeddings.of(self.architecture, embedding, sizes, "electra/embeddings")
        self.encoder = Encoder.of(self.architecture, embedding, sizes, "electra")
        self.task_head = head_of(head, sizes, seed)

    @property
    def trainable_weights(self) -> list[tf.Variable]:
        """What is trained: all weights, or the head's if the encoder is frozen."""
        if self._frozen:
            return list(self.task_head.trainable_variables)
        return super().trainable_weights

    @property
    def non_trainable_weights(self) -> list[tf.Variable]:
        """What is not trained: the encoder's weights if it is frozen."""
        if not self._frozen:
            return super().non_trainable_weights
        return [*self.embeddings.trainable_variables, *self.encoder.trainable_variables]

    def hidden(self, features: dict[str, tf.Tensor], dropout: Dropout | None = None) -> tf.Tensor:
        """The encoder's view of text.

        Args:
          features: input_ids, input_mask and segment_ids, [B, S].
          dropout: The masks of this pass; None for no dropout.

        Returns:
          [B·S, D] in the compute type.
        """
        dropout = dropout or Dropout()
        embedded = self.embeddings(
            features["input_ids"], features["segment_ids"], self._matmul_dtype, dropout
        )  # [B·S, E]
        return self.encoder(embedded, features["input_mask"], dropout)  # [B·S, D]

    def call(
        self,
        features: dict[str, tf.Tensor],
        training: bool = False,
        dropout: Dropout | None = None,
    ) -> dict[str, tf.Tensor]:
        """What the head says of a batch, by name; see the heads.

        Args:
          features: input_ids, input_mask and segment_ids, [B, S], and what the head asks for.
          training: Must be true for `dropout` to be used.
          dropout: The masks of this pass.
        """
        dropout = dropout if training else None
        hidden = self.hidden(features, None if self._frozen else dropout)  # [B·S, D]
        if self._frozen:
            hidden = tf.stop_gradient(hidden)
        return self.task_head(hidden, features, dropout or Dropout(), training=training)


def head_of(sizes: HeadSizes, encoder: EncoderSizes, seed: int) -> Head:
    """The head of a task over an encoder."""
    if sizes.kind in ("classification", "regression"):
        return TextHead(sizes, encoder, seed)
    if sizes.kind == "tagging":
        return WordHead(sizes, encoder, seed)
    if sizes.style == "reference":
        return ReferenceSpanHead(sizes, encoder, seed)
    return SpanHead(encoder, seed)
