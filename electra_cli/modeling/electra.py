"""Heads, and the networks of an objective as one model.

Source: google-research/electra, run_pretraining.py.

Shapes: B batch, S sequence, M masked positions, E embedding, D hidden (G of the generator),
V vocabulary.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import tensorflow as tf
import tf_keras

from electra_cli.modeling.architecture import Architecture, EncoderSizes, NextSentenceSizes
from electra_cli.modeling.dropout import Dropout, dropped
from electra_cli.modeling.electric.two_towers import TwoTowers
from electra_cli.modeling.encoder import Embeddings, Encoder, ResidualEmbeddings
from electra_cli.modeling.fused import gelu
from electra_cli.modeling.heads.masked_lm import MaskedLMHead
from electra_cli.modeling.layers import (
    Dense,
    Initializer,
    glorot_uniform,
    length_of,
    truncated_normal,
)
from electra_cli.modeling.lookup import rows_at


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
    documents = features.get("document_ids")
    hidden = encoder(embedded, features["input_mask"], dropout, documents)  # [B·S, D]
    length = length_of(ids)
    logits = tf.reshape(head(hidden), [-1, length])  # [B, S]
    return logits, tf.reshape(hidden, [-1, length, hidden.shape[-1]])  # [B, S, D]


def _frozen_variables() -> AbstractContextManager[None]:
    """Within it variables are made that nothing trains."""

    def create(next_creator: Callable[..., tf.Variable], **kwargs: Any) -> tf.Variable:
        return next_creator(**kwargs | {"trainable": False})

    return tf.variable_creator_scope(create)


Forward = Callable[["ElectraModel", dict[str, tf.Tensor], Dropout | None], dict[str, tf.Tensor]]


class ElectraModel(tf_keras.Model):
    """The networks of an objective: what is trained, saved, evaluated and exported.

    Args:
      architecture: Which networks, the sizes of everything, and the seed of the weights at step 0.
      forward: What calling the model computes, of (model, features, dropout); an objective's.
      compute_dtype: The type of matmuls and activations; parameters are float32.
    """

    def __init__(
        self,
        architecture: Architecture,
        *,
        forward: Forward | None = None,
        compute_dtype: str = "float32",
    ) -> None:
        # float32 and no autocast: this model decides itself what runs in which type.
        super().__init__(name="electra", dtype="float32", autocast=False)
        self._matmul_dtype = tf.as_dtype(compute_dtype)
        self._forward = forward
        self.architecture = architecture
        uniform = glorot_uniform(architecture.seed)

        def normal(sizes: EncoderSizes) -> Initializer:
            return truncated_normal(sizes.initializer_range, architecture.seed)

        generator, discriminator = architecture.generator, architecture.discriminator
        main, width = architecture.embedding, architecture.generator_embedding
        shared = Embeddings.of(architecture, main, architecture.main, "electra/embeddings")
        self.embeddings = (
            ResidualEmbeddings(
                shared, dropout=architecture.main.hidden_dropout, name="discriminator/embeddings"
            )
            if architecture.is_disentangled
            else shared
        )
        is_one = architecture.sharing == "all"  # one encoder, which is both networks
        if architecture.two_towers:
            self.two_towers = TwoTowers(architecture, shared)
        elif generator is not None:
            with _frozen_variables() if architecture.frozen else nullcontext():
                self.generator_embeddings = (
                    Embeddings.of(architecture, width, generator, "generator/embeddings")
                    if architecture.sharing == "none"
                    else shared
                )
                name = "generator" if discriminator and not is_one else "electra"
                self.generator = Encoder.of(architecture, width, generator, name)
                self.masked_lm_head = MaskedLMHead(
                    generator.hidden, self.generator_embeddings, normal(generator)
                )
            if architecture.next_sentence is not None:
                self.next_sentence_head = NextSentenceHead(
                    generator.hidden, architecture.next_sentence, normal(generator)
                )
        if discriminator is not None:
            self.discriminator = (
                self.generator
                if is_one
                else Encoder.of(architecture, main, discriminator, "electra")
            )
            self.replaced_token_head = ReplacedTokenHead(
                discriminator.hidden, normal(discriminator), uniform
            )

    def generator_hidden(
        self, features: dict[str, tf.Tensor], dropout: Dropout | None = None
    ) -> tf.Tensor:
        """The generator's view of masked text.

        Args:
          features: masked_input_ids, input_mask and segment_ids, [B, S], and document_ids where
            positions see their own document alone.
          dropout: The masks of this pass; None for no dropout, which a frozen generator never has.

        Returns:
          [B·S, G] in the compute type.
        """
        dropout = (None if self.architecture.frozen else dropout) or Dropout()
        embedded = self.generator_embeddings(
            features["masked_input_ids"], features["segment_ids"], self._matmul_dtype, dropout
        )  # [B·S, E]
        documents = features.get("document_ids")
        return self.generator(embedded, features["input_mask"], dropout, documents)  # [B·S, G]

    def masked_lm_logits(self, hidden: tf.Tensor, features: dict[str, tf.Tensor]) -> tf.Tensor:
        """The generator's logits at masked_lm_positions [B, M]; [B·S, G] -> [B, M, V] float32."""
        ids, positions = features["masked_input_ids"], features["masked_lm_positions"]
        rows = tf.reshape(hidden, [-1, length_of(ids), hidden.shape[-1]])  # [B, S, G]
        at_masks = tf.reshape(rows_at(rows, positions), [-1, rows.shape[-1]])  # [B·M, G]
        logits = self.masked_lm_head(at_masks)  # [B·M, V]
        return tf.reshape(logits, [-1, positions.shape[1], logits.shape[-1]])  # [B, M, V]

    def cloze_predicted(
        self, features: dict[str, tf.Tensor], dropout: Dropout | None = None
    ) -> tf.Tensor:
        """What the two towers predict at every position of a text; see `TwoTowers.predicted`."""
        return self.two_towers.predicted(features, self._matmul_dtype, dropout or Dropout())

    def next_sentence_logits(
        self, hidden: tf.Tensor, features: dict[str, tf.Tensor], dropout: Dropout | None = None
    ) -> tf.Tensor:
        """What the generator says of whole rows; [B·S, G] -> [B, classes] float32."""
        first = hidden[:: length_of(features["input_ids"])]  # [B, G]
        return self.next_sentence_head(first, dropout or Dropout())

    def generate(self, features: dict[str, tf.Tensor], dropout: Dropout | None = None) -> tf.Tensor:
        """`masked_lm_logits` of `generator_hidden`; [B, M, V] float32."""
        return self.masked_lm_logits(self.generator_hidden(features, dropout), features)

    def discriminate(
        self,
        ids: tf.Tensor,
        features: dict[str, tf.Tensor],
        dropout: Dropout | None = None,
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """The discriminator's view of any text.

        Args:
          ids: [B, S] int32.
          features: input_mask and segment_ids, [B, S], and perhaps document_ids.
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
        """What the objective computes of a batch, by name; see its `forward`.

        Args:
          features: What `inputs.masking.mask_tokens` returns.
          training: Must be true for `dropout` to be used, and for what only training does.
          dropout: The masks of this pass; None for no dropout.
        """
        assert self._forward is not None, "a model without an objective has no outputs"
        return self._forward(self, features, (dropout or Dropout()) if training else None)
