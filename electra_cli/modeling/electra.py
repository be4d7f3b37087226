"""Generator and discriminator as one model (google-research/electra, run_pretraining.py).

Shapes: B batch, S sequence, M masked positions, E embedding, D hidden (G of the generator),
V vocabulary.
"""

from __future__ import annotations

from typing import Any

import tensorflow as tf
import tf_keras

from electra_cli.inputs.masking import scatter_ids
from electra_cli.modeling.architecture import Architecture, EncoderSizes, NextSentenceSizes
from electra_cli.modeling.dropout import Dropout
from electra_cli.modeling.encoder import Embeddings, Encoder, length_of
from electra_cli.modeling.fused import column_weights, compile_quietly_once, dropped, gelu
from electra_cli.modeling.layers import (
    Dense,
    Initializer,
    LayerNorm,
    glorot_uniform,
    truncated_normal,
)


class MaskedLMHead(tf.Module):
    """dense(E) → GELU → LayerNorm → product with the word table, plus a bias."""

    def __init__(self, hidden: int, embeddings: Embeddings, initializer: Any) -> None:
        super().__init__()
        vocab_size, embedding = embeddings.words.shape
        scope = "generator_predictions"
        self.dense = Dense(hidden, embedding, initializer, f"{scope}/dense")
        self.norm = LayerNorm(embedding, scope)
        self.bias = tf.Variable(tf.zeros([vocab_size]), name=f"{scope}/output_bias")  # [V]
        self._embeddings = embeddings

    def __call__(self, values: tf.Tensor) -> tf.Tensor:
        """[N, G] in the compute type -> [N, V] float32 logits."""
        activated = gelu(self.dense(values))  # [N, E]
        predicted = self.norm(activated)  # [N, E]
        words = tf.cast(self._embeddings.words, values.dtype)  # [V, E]
        logits = tf.matmul(predicted, words, transpose_b=True)  # [N, V]
        return tf.cast(logits, tf.float32) + self.bias


class ReplacedTokenHead(tf.Module):
    """dense(D) → GELU → dense(1): is this token replaced?"""

    def __init__(self, hidden: int, initializer: Any, output_initializer: Any) -> None:
        super().__init__()
        scope = "discriminator_predictions"
        self.dense = Dense(hidden, hidden, initializer, f"{scope}/dense")
        self.output = Dense(hidden, 1, output_initializer, f"{scope}/dense_1")

    def __call__(self, values: tf.Tensor) -> tf.Tensor:
        """[B·S, D] in the compute type -> [B·S] float32 logits."""
        logits = self.output(gelu(self.dense(values)))  # [B·S, 1]
        return tf.cast(tf.squeeze(logits, axis=-1), tf.float32)  # [B·S]


class NextSentenceHead(tf.Module):
    """dense(inner) → tanh → dropout → dense(classes) on the first token (BERT's pooler)."""

    def __init__(self, hidden: int, sizes: NextSentenceSizes, initializer: Initializer) -> None:
        super().__init__()
        scope = "next_sentence"
        self.dense = Dense(hidden, sizes.inner, initializer, f"{scope}/dense")
        self.output = Dense(sizes.inner, sizes.classes, initializer, f"{scope}/output")
        self._dropout = sizes.dropout

    def __call__(self, values: tf.Tensor, dropout: Dropout) -> tf.Tensor:
        """[B, G] in the compute type -> [B, classes] float32."""
        pooled = dropped(tf.tanh(self.dense(values)), *dropout.draw(self._dropout))  # [B, inner]
        return tf.cast(self.output(pooled), tf.float32)  # [B, classes]


def sample_ids(logits: tf.Tensor, uniforms: tf.Tensor) -> tf.Tensor:
    """Draws one token a row from softmax(logits) by inverting the cumulative distribution.

    The distribution is the one of the reference's Gumbel-max at temperature 1, with one random
    number a position instead of V. The vocabulary is searched in two steps, first for the column
    (see `fused.column_weights`) and then within it, so nothing of the size of the logits is
    written.

    Args:
      logits: [N, V] float32.
      uniforms: [N] float32 in [0, 1).

    Returns:
      [N] int32.
    """
    vocab_size = logits.shape[-1]
    highest = tf.reduce_max(logits, axis=-1, keepdims=True)  # [N, 1]
    columns = tf.cumsum(column_weights(logits, highest), axis=-1)  # [N, C]
    threshold = uniforms[:, None] * columns[:, -1:]  # [N, 1]
    column = _first_above(columns, threshold, columns.shape[-1])  # [N, 1]
    before = tf.gather(tf.pad(columns, [[0, 0], [1, 0]]), column, batch_dims=1)  # [N, 1]
    ids = column + tf.range(0, vocab_size, columns.shape[-1])  # [N, ⌈V / C⌉]
    chosen = tf.gather(logits, tf.minimum(ids, vocab_size - 1), batch_dims=1)  # [N, ⌈V / C⌉]
    weights = tf.where(ids < vocab_size, tf.exp(chosen - highest), 0.0)
    within = before + tf.cumsum(weights, axis=-1)  # [N, ⌈V / C⌉]
    last = tf.reduce_sum(tf.cast(ids < vocab_size, tf.int32), axis=-1, keepdims=True)  # [N, 1]
    return tf.gather(ids, _first_above(within, threshold, last), batch_dims=1)[:, 0]  # [N]


def _first_above(cumulative: tf.Tensor, threshold: tf.Tensor, size: tf.Tensor | int) -> tf.Tensor:
    """The first of `size` columns above the threshold, or the last; [N, C], [N, 1] -> [N, 1]."""
    found = tf.searchsorted(cumulative, threshold, side="right")  # [N, 1]
    return tf.minimum(found, size - 1)


def discriminate(
    embeddings: Embeddings,
    encoder: Encoder,
    head: ReplacedTokenHead,
    ids: tf.Tensor,
    features: dict[str, tf.Tensor],
    *,
    dtype: tf.DType = tf.float32,
    dropout: Dropout | None = None,
) -> tuple[tf.Tensor, tf.Tensor]:
    """The discriminator as a function of its parts; see `ElectraModel.discriminate`."""
    dropout = dropout or Dropout()
    embedded = embeddings(ids, features["segment_ids"], dtype, dropout)  # [B·S, E]
    hidden = encoder(embedded, features["input_mask"], dropout)  # [B·S, D]
    length = length_of(ids)
    logits = tf.reshape(head(hidden), [-1, length])  # [B, S]
    return logits, tf.reshape(hidden, [-1, length, hidden.shape[-1]])  # [B, S, D]


class ElectraModel(tf_keras.Model):
    """The joint model: what is trained, saved, evaluated and exported.

    Args:
      architecture: The sizes of everything, and the seed of the weights at step 0.
      compute_dtype: The type of matmuls and activations; parameters are float32.
    """

    def __init__(self, architecture: Architecture, *, compute_dtype: str = "float32") -> None:
        # float32 and no autocast: this model decides itself what runs in which type.
        super().__init__(name="electra", dtype="float32", autocast=False)
        compile_quietly_once()
        self._matmul_dtype = tf.as_dtype(compute_dtype)
        self.architecture = architecture
        uniform = glorot_uniform(architecture.seed)

        def normal(sizes: EncoderSizes) -> Initializer:
            return truncated_normal(sizes.initializer_range, architecture.seed)

        def embeddings(sizes: EncoderSizes, name: str) -> Embeddings:
            return Embeddings(
                vocab_size=architecture.vocab_size,
                size=architecture.embedding,
                max_positions=architecture.max_positions,
                types=architecture.types,
                dropout=sizes.hidden_dropout,
                initializer=normal(sizes),
                name=name,
            )

        def encoder(sizes: EncoderSizes, name: str) -> Encoder:
            return Encoder(
                architecture.embedding,
                sizes,
                initializer=normal(sizes),
                projection_initializer=uniform,
                name=name,
            )

        generator, discriminator = architecture.generator, architecture.discriminator
        self.embeddings = embeddings(discriminator, "electra/embeddings")
        self.generator_embeddings = (
            self.embeddings if architecture.tied else embeddings(generator, "generator/embeddings")
        )
        self.generator = encoder(generator, "generator")
        self.masked_lm_head = MaskedLMHead(
            generator.hidden, self.generator_embeddings, normal(generator)
        )
        self.next_sentence_head = (
            NextSentenceHead(generator.hidden, architecture.next_sentence, normal(generator))
            if architecture.next_sentence
            else None
        )
        self.discriminator = encoder(discriminator, "electra")
        self.replaced_token_head = ReplacedTokenHead(
            discriminator.hidden, normal(discriminator), uniform
        )

    def generate(self, features: dict[str, tf.Tensor], dropout: Dropout | None = None) -> tf.Tensor:
        """The generator's logits at the masked positions.

        Args:
          features: masked_input_ids, input_mask, segment_ids [B, S]; masked_lm_positions [B, M].
          dropout: The masks of this pass; None for no dropout.

        Returns:
          [B, M, V] float32.
        """
        return self._masked_lm_logits(self._generator_hidden(features, dropout), features)

    def _generator_hidden(
        self, features: dict[str, tf.Tensor], dropout: Dropout | None
    ) -> tf.Tensor:
        """[B·S, G] in the compute type."""
        dropout = dropout or Dropout()
        embedded = self.generator_embeddings(
            features["masked_input_ids"], features["segment_ids"], self._matmul_dtype, dropout
        )  # [B·S, E]
        return self.generator(embedded, features["input_mask"], dropout)  # [B·S, G]

    def _masked_lm_logits(self, hidden: tf.Tensor, features: dict[str, tf.Tensor]) -> tf.Tensor:
        """[B·S, G] -> [B, M, V] float32."""
        ids, positions = features["masked_input_ids"], features["masked_lm_positions"]
        flat = positions + tf.range(tf.shape(ids)[0])[:, None] * length_of(ids)  # [B, M]
        at_masks = tf.gather(hidden, tf.reshape(flat, [-1]))  # [B·M, G]
        logits = self.masked_lm_head(at_masks)  # [B·M, V]
        return tf.reshape(logits, [-1, positions.shape[1], logits.shape[-1]])  # [B, M, V]

    def discriminate(
        self,
        ids: tf.Tensor,
        features: dict[str, tf.Tensor],
        dropout: Dropout | None = None,
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """The discriminator's view of any text.

        Args:
          ids: [B, S] int32.
          features: input_mask and segment_ids, [B, S].
          dropout: The masks of this pass; None for no dropout.

        Returns:
          Logits [B, S] float32 (positive: replaced) and the sequence output [B, S, D].
        """
        return discriminate(
            self.embeddings,
            self.discriminator,
            self.replaced_token_head,
            ids,
            features,
            dtype=self._matmul_dtype,
            dropout=dropout,
        )

    def call(
        self,
        features: dict[str, tf.Tensor],
        training: bool = False,
        dropout: Dropout | None = None,
    ) -> dict[str, tf.Tensor]:
        """Generator, sampling, discriminator.

        Args:
          features: What `inputs.masking.mask_tokens` returns. `sampled_ids` [B, M], if present,
            stands in for the samples.
          training: Must be true for `dropout` to be used.
          dropout: The masks of this pass.

        Returns:
          masked_lm_logits [B, M, V] float32, sampled_ids [B, M], disc_inputs [B, S], disc_labels
          [B, S] (1: differs from the original), disc_logits [B, S] float32 and
          disc_sequence_output [B, S, D]; next_sentence_logits [B, classes] float32 if it has that
          head.
        """
        used = dropout if training else None
        hidden = self._generator_hidden(features, used)  # [B·S, G]
        logits = self._masked_lm_logits(hidden, features)  # [B, M, V]
        weights = features["masked_lm_weights"]
        if "sampled_ids" in features:
            sampled = features["sampled_ids"]
        else:
            fixed = tf.stop_gradient(tf.reshape(logits, [-1, logits.shape[-1]]))  # [B·M, V]
            if self.architecture.disallow_correct:
                original = tf.reshape(features["masked_lm_ids"], [-1, 1])  # [B·M, 1]
                fixed -= tf.where(tf.range(fixed.shape[-1]) == original, 1000.0, 0.0)
            uniforms = tf.reshape(features["sample_uniforms"], [-1])  # [B·M]
            sampled = tf.reshape(sample_ids(fixed, uniforms), tf.shape(weights))  # [B, M]
        positions = features["masked_lm_positions"]
        replaced = scatter_ids(features["input_ids"], positions, sampled, weights)  # [B, S]
        disc_logits, sequence = self.discriminate(replaced, features, used)
        heads = {}
        if self.next_sentence_head is not None:
            heads["next_sentence_logits"] = self.next_sentence_head(
                hidden[:: length_of(features["input_ids"])], used or Dropout()
            )  # [B, classes]
        return heads | {
            "masked_lm_logits": logits,
            "sampled_ids": sampled,
            "disc_inputs": replaced,
            "disc_labels": tf.cast(replaced != features["input_ids"], tf.int32),
            "disc_logits": disc_logits,
            "disc_sequence_output": sequence,
        }
