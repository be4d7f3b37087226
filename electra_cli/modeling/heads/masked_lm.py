"""The head that says which token was there.

Shapes: N positions, G hidden (of what is read), E embedding, V vocabulary.
"""

from __future__ import annotations

import tensorflow as tf

from electra_cli.modeling.encoder import Embeddings
from electra_cli.modeling.fused import biased_logits, gelu
from electra_cli.modeling.layers import Dense, Initializer, LayerNorm


class MaskedLMHead(tf.Module):
    """dense(E) → GELU → LayerNorm → product with the word table, plus a bias.

    Args:
      hidden: G.
      embeddings: Have the word table.
      initializer: Makes the kernel.
      scope: Of the variables' names, in the reference's words.
    """

    def __init__(
        self,
        hidden: int,
        embeddings: Embeddings,
        initializer: Initializer,
        scope: str = "generator_predictions",
    ) -> None:
        super().__init__()
        vocab_size, embedding = embeddings.words.shape
        self.dense = Dense(hidden, embedding, initializer, f"{scope}/dense")
        self.norm = LayerNorm(embedding, scope)
        self.bias = tf.Variable(tf.zeros([vocab_size]), name=f"{scope}/output_bias")  # [V]
        self._embeddings = embeddings

    def __call__(self, values: tf.Tensor) -> tf.Tensor:
        """[N, G] in the compute type -> [N, V] float32 logits."""
        return self.logits(self.predicted(values))

    def predicted(self, values: tf.Tensor) -> tf.Tensor:
        """What is compared with the words; [N, G] -> [N, E]."""
        return self.norm(gelu(self.dense(values)))  # [N, E]

    def logits(self, predicted: tf.Tensor) -> tf.Tensor:
        """[N, E] in the compute type -> [N, V] float32."""
        product = tf.matmul(predicted, self.words(predicted.dtype), transpose_b=True)  # [N, V]
        return biased_logits(product, tf.convert_to_tensor(self.bias))

    def words(self, dtype: tf.DType) -> tf.Tensor:
        """The word table, [V, E] in the compute type."""
        return tf.cast(self._embeddings.words, dtype)
