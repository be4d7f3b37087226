"""Embeddings and the transformer encoder (google-research/electra, model/modeling.py).

Shapes: B batch, S sequence, E embedding, D hidden, H heads, K head size (D = H·K), F feed-forward,
V vocabulary.
"""

from __future__ import annotations

from typing import Self

import tensorflow as tf

from electra_cli.modeling.architecture import RESIDUAL, Architecture, EncoderSizes
from electra_cli.modeling.attention import Reading, attend
from electra_cli.modeling.dropout import Draw, Dropout
from electra_cli.modeling.fused import gelu, recomputed
from electra_cli.modeling.layers import (
    Dense,
    Initializer,
    LayerNorm,
    glorot_uniform,
    length_of,
    truncated_normal,
)
from electra_cli.modeling.lookup import rows_of


class Embeddings(tf.Module):
    """Word, position and type embeddings and their LayerNorm, shared by both networks.

    The paper ties the token embeddings; the reference ties all three tables and the LayerNorm
    (both networks use the scope `electra/embeddings`).
    """

    def __init__(
        self,
        *,
        vocab_size: int,
        size: int,
        max_positions: int,
        types: int,
        dropout: float,
        initializer: Initializer,
        name: str = "electra/embeddings",
    ) -> None:
        super().__init__()

        def table(rows: int, kind: str) -> tf.Variable:
            full = f"{name}/{kind}"
            return tf.Variable(initializer([rows, size], full), name=full)

        self.words = table(vocab_size, "word_embeddings")  # [V, E]
        self.positions = table(max_positions, "position_embeddings")  # [P, E]
        self.types = table(types, "token_type_embeddings")  # [2, E]
        self.norm = LayerNorm(size, name)
        self._dropout = dropout

    @classmethod
    def of(cls, architecture: Architecture, size: int, sizes: EncoderSizes, name: str) -> Self:
        """Some of an architecture, with dropout and initialiser of one of its networks.

        Args:
          architecture: What they are part of.
          size: Their width.
          sizes: Of the network.
          name: Scope of the variables.
        """
        return cls(
            vocab_size=architecture.vocab_size,
            size=size,
            max_positions=architecture.max_positions,
            types=architecture.types,
            dropout=sizes.hidden_dropout,
            initializer=truncated_normal(sizes.initializer_range, architecture.seed),
            name=name,
        )

    def __call__(
        self, ids: tf.Tensor, segment_ids: tf.Tensor, dtype: tf.DType, dropout: Dropout
    ) -> tf.Tensor:
        """[B, S] token and segment ids -> [B·S, E] in `dtype`."""
        words = rows_of(self.words, ids)  # [B, S, E]
        flat = _summed(words, self.types, self.positions, segment_ids)  # [B·S, E]
        return tf.cast(self.norm(flat, dropout.draw(self._dropout)), dtype)


class ResidualEmbeddings(tf.Module):
    """Embeddings that read the tables of others, teach them nothing, and add tables of their own.

    Gradient-disentangled embedding sharing (He, Gao and Chen 2021, DeBERTaV3, section 3.3): the
    discriminator reads stop_gradient(table) + residual, so what it learns is in the residual alone.
    All three tables have one, zero at the start. A LayerNorm's scale multiplies and cannot be added
    to, so there is one of its own, which begins as every LayerNorm does.

    Args:
      shared: What the generator reads and learns.
      dropout: On what comes out.
      name: Scope of the variables.
    """

    def __init__(self, shared: Embeddings, *, dropout: float, name: str) -> None:
        super().__init__()

        def residual(table: tf.Variable, kind: str) -> tf.Variable:
            return tf.Variable(tf.zeros(table.shape), name=f"{name}/{kind}{RESIDUAL}")

        self.word_residual = residual(shared.words, "word_embeddings")  # [V, E]
        self.position_residual = residual(shared.positions, "position_embeddings")  # [P, E]
        self.type_residual = residual(shared.types, "token_type_embeddings")  # [2, E]
        self.norm = LayerNorm(shared.words.shape[-1], name)
        self._shared = shared
        self._dropout = dropout

    def __call__(
        self, ids: tf.Tensor, segment_ids: tf.Tensor, dtype: tf.DType, dropout: Dropout
    ) -> tf.Tensor:
        """[B, S] token and segment ids -> [B·S, E] in `dtype`."""
        # Rows are picked twice and then added: the sum of both tables would be V rows, and picking
        # from it would hide from the residual's gradient which rows it has.
        words = tf.stop_gradient(rows_of(self._shared.words, ids))  # [B, S, E]
        words += rows_of(self.word_residual, ids)  # [B, S, E]
        types = tf.stop_gradient(self._shared.types) + self.type_residual  # [2, E]
        positions = tf.stop_gradient(self._shared.positions) + self.position_residual  # [P, E]
        flat = _summed(words, types, positions, segment_ids)  # [B·S, E]
        return tf.cast(self.norm(flat, dropout.draw(self._dropout)), dtype)


def _summed(
    words: tf.Tensor, types: tf.Tensor, positions: tf.Tensor, segment_ids: tf.Tensor
) -> tf.Tensor:
    """[B, S, E], [2, E], [P, E] and [B, S] -> [B·S, E]."""
    # Two types: choosing by a mask has a dense gradient, where a gather would have to
    # add up B·S rows into two.
    is_second = tf.cast(segment_ids, tf.float32)[:, :, None]  # [B, S, 1]
    typed = types[0] + is_second * (types[1] - types[0])  # [B, S, E]
    total = words + typed + positions[: length_of(words)]  # [B, S, E]
    return tf.reshape(total, [-1, total.shape[-1]])  # [B·S, E]


class Block(tf.Module):
    """One post-norm transformer layer.

    Args:
      sizes: Of the network.
      initializer: Of the kernels.
      name: Prefix of the variables' names.
      reading: Which positions each one sees.
      recomputes: Only what comes in is kept for the backward pass, which computes the rest again.
    """

    def __init__(
        self,
        sizes: EncoderSizes,
        *,
        initializer: Initializer,
        name: str,
        reading: Reading = "both",
        recomputes: bool = False,
    ) -> None:
        super().__init__()
        hidden, intermediate = sizes.hidden, sizes.intermediate
        attention = f"{name}/attention"
        # One matmul for query, key and value: [D, 3·D], in this order.
        self.query_key_value = Dense(hidden, 3 * hidden, initializer, f"{attention}/self/qkv")
        self.attention_output = Dense(hidden, hidden, initializer, f"{attention}/output/dense")
        self.attention_norm = LayerNorm(hidden, f"{attention}/output")
        self.intermediate = Dense(hidden, intermediate, initializer, f"{name}/intermediate/dense")
        self.output = Dense(intermediate, hidden, initializer, f"{name}/output/dense")
        self.output_norm = LayerNorm(hidden, f"{name}/output")
        self._heads, self._reading, self._recomputes = sizes.heads, reading, recomputes
        self._rates = (sizes.attention_dropout, sizes.hidden_dropout, sizes.hidden_dropout)

    def __call__(
        self,
        values: tf.Tensor,
        input_mask: tf.Tensor,
        dropout: Dropout,
        document_ids: tf.Tensor | None = None,
    ) -> tf.Tensor:
        """[B·S, D] -> [B·S, D]; what else it takes is said of `Encoder`."""
        # All are drawn before: a second pass has to meet the same ones.
        draws = [dropout.draw(rate) for rate in self._rates]

        def computed(values: tf.Tensor, *keys: tf.Tensor) -> tf.Tensor:
            of_weights, of_attended, of_output = (
                Draw(key, draw.rate) for key, draw in zip(keys, draws, strict=True)
            )
            context = self._attend(values, input_mask, of_weights, document_ids)  # [B·S, D]
            attended = self.attention_output(context)  # [B·S, D]
            values = self.attention_norm.of_sum(values, attended, of_attended)  # [B·S, D]
            widened = gelu(self.intermediate(values))  # [B·S, F]
            narrowed = self.output(widened)  # [B·S, D]
            return self.output_norm.of_sum(values, narrowed, of_output)  # [B·S, D]

        tensors = [values, *(draw.key for draw in draws)]
        return recomputed(computed, *tensors) if self._recomputes else computed(*tensors)

    def _attend(
        self,
        values: tf.Tensor,
        input_mask: tf.Tensor,
        draw: Draw,
        document_ids: tf.Tensor | None = None,
    ) -> tf.Tensor:
        """[B·S, D] -> [B·S, D]."""
        projected = self.query_key_value(values)  # [B·S, 3·D]
        return attend(
            projected, input_mask, draw, document_ids, heads=self._heads, reading=self._reading
        )  # [B·S, D]


class Encoder(tf.Module):
    """A stack of blocks over embeddings that may be narrower than the hidden size."""

    def __init__(
        self,
        embedding: int,
        sizes: EncoderSizes,
        *,
        initializer: Initializer,
        projection_initializer: Initializer,
        name: str,
        reading: Reading = "both",
        recomputes: bool = False,
    ) -> None:
        super().__init__()
        self.project = None
        if embedding != sizes.hidden:
            scope = f"{name}/embeddings_project"
            self.project = Dense(embedding, sizes.hidden, projection_initializer, scope)
        self.blocks = [
            Block(
                sizes,
                initializer=initializer,
                name=f"{name}/encoder/layer_{index}",
                reading=reading,
                recomputes=recomputes,
            )
            for index in range(sizes.layers)
        ]

    @classmethod
    def of(
        cls,
        architecture: Architecture,
        embedding: int,
        sizes: EncoderSizes,
        name: str,
        *,
        reading: Reading = "both",
    ) -> Self:
        """One of the networks of an architecture.

        Args:
          architecture: What it is part of.
          embedding: Width of the embeddings that it reads.
          sizes: Of the network.
          name: Scope of the variables.
          reading: Which positions each one sees.
        """
        return cls(
            embedding,
            sizes,
            initializer=truncated_normal(sizes.initializer_range, architecture.seed),
            projection_initializer=glorot_uniform(architecture.seed),
            name=name,
            reading=reading,
            recomputes=architecture.recomputes,
        )

    def __call__(
        self,
        embeddings: tf.Tensor,
        input_mask: tf.Tensor,
        dropout: Dropout,
        document_ids: tf.Tensor | None = None,
    ) -> tf.Tensor:
        """Encodes a batch.

        Args:
          embeddings: [B·S, E] in the compute type.
          input_mask: [B, S], 1 for tokens and 0 for padding.
          dropout: The masks of this pass.
          document_ids: [B, S] int32; positions with different ones do not see each other. None:
            all do.

        Returns:
          [B·S, D] in the compute type.
        """
        values = self.project(embeddings) if self.project is not None else embeddings  # [B·S, D]
        for block in self.blocks:
            values = block(values, input_mask, dropout, document_ids)  # [B·S, D]
        return values
