"""Electric's generator: a tower that reads a text from its beginning, and one from its end.

Source: google-research/electra, run_pretraining.py, `TwoTowerClozeTransformer`.

Shapes: B batch, S sequence, E embedding, G hidden of a tower, V vocabulary.
"""

from __future__ import annotations

import tensorflow as tf

from electra_cli.modeling.architecture import Architecture
from electra_cli.modeling.dropout import Dropout
from electra_cli.modeling.electric.vocabulary import Scores, scores_of
from electra_cli.modeling.encoder import Embeddings, Encoder
from electra_cli.modeling.heads.masked_lm import MaskedLMHead
from electra_cli.modeling.layers import length_of, truncated_normal


class TwoTowers(tf.Module):
    """What stands at a position, from what is before it and what is behind it, without masks.

    Args:
      architecture: Its generator has the sizes of each tower.
      embeddings: Those of the discriminator.
    """

    def __init__(self, architecture: Architecture, embeddings: Embeddings) -> None:
        super().__init__()
        sizes, width = architecture.generator, architecture.embedding
        assert sizes is not None, "the towers have the sizes of a generator"
        self.ltr = Encoder.of(architecture, width, sizes, "generator_ltr", reading="ltr")
        self.rtl = Encoder.of(architecture, width, sizes, "generator_rtl", reading="rtl")
        initializer = truncated_normal(sizes.initializer_range, architecture.seed)
        self.head = MaskedLMHead(2 * sizes.hidden, embeddings, initializer, "cloze_predictions")
        self._embeddings = embeddings

    def predicted(
        self, features: dict[str, tf.Tensor], dtype: tf.DType, dropout: Dropout
    ) -> tf.Tensor:
        """What each position is compared with the words as.

        A position sees all that is before it and all that is behind it: what the towers say of its
        neighbours, [CLS] and the last position being neighbours too.

        Args:
          features: input_ids, input_mask and segment_ids, [B, S].
          dtype: The compute type.
          dropout: The masks of this pass.

        Returns:
          [B·S, E] in the compute type.
        """
        ids, length = features["input_ids"], length_of(features["input_ids"])
        sides = []
        for tower, shift in ((self.ltr, 1), (self.rtl, -1)):
            embedded = self._embeddings(ids, features["segment_ids"], dtype, dropout)  # [B·S, E]
            said = tower(embedded, features["input_mask"], dropout)  # [B·S, G]
            rows = tf.reshape(said, [-1, length, said.shape[-1]])  # [B, S, G]
            sides.append(tf.roll(rows, shift, axis=1))  # [B, S, G]
        both = tf.concat(sides, axis=-1)  # [B, S, 2·G]
        return self.head.predicted(tf.reshape(both, [-1, both.shape[-1]]))  # [B·S, E]

    def scores(self, predicted: tf.Tensor, ids: tf.Tensor, others: tf.Tensor) -> Scores:
        """How likely tokens are where they stand, and others in their place.

        Args:
          predicted: What `predicted` returned, [B·S, E].
          ids: The text, [B, S] int32.
          others: Another text, [B, S] int32.

        Returns:
          [B, S] float32 each.
        """
        found = scores_of(
            predicted,
            self.head.words(predicted.dtype),
            tf.convert_to_tensor(self.head.bias),
            tf.reshape(ids, [-1]),  # [B·S]
            tf.reshape(others, [-1]),  # [B·S]
        )
        return Scores(*(tf.reshape(values, tf.shape(ids)) for values in found))  # [B, S] each
