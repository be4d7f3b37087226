"""The reference's head of question answering.

Source: google-research/electra, finetune/qa/qa_tasks.py, `get_prediction_module`.

Shapes: B batch, S sequence, D hidden, N inner, K starts and ends that are kept.
"""

from __future__ import annotations

import tensorflow as tf

from electra_cli.modeling.architecture import EncoderSizes
from electra_cli.modeling.dropout import Dropout
from electra_cli.modeling.fused import affine, gelu, pair_scores
from electra_cli.modeling.heads.base import SCOPE, Head, Tensors, logits_of
from electra_cli.modeling.heads.sizes import HeadSizes
from electra_cli.modeling.heads.spans import span_losses
from electra_cli.modeling.layers import Dense, glorot_uniform, length_of
from electra_cli.modeling.lookup import rows_at

_INNER = 512  # width of the hidden layers, whatever the encoder's is
_MASKED = -1000.0  # added to the logits of positions that cannot be in an answer
_ANSWERABLE_WEIGHT = 0.5


class ReferenceSpanHead(Head):
    """Where an answer begins, where it ends given its start, and whether there is none.

    Positions that may be in an answer are those of the second segment, its [SEP] included, and 0,
    which is no answer.

    Args:
      sizes: With the parts that the head has.
      encoder: Sizes of what is below.
      seed: Of the weights at the start.
    """

    def __init__(self, sizes: HeadSizes, encoder: EncoderSizes, seed: int) -> None:
        super().__init__()
        self._beam = sizes.beam
        uniform, hidden = glorot_uniform(seed), encoder.hidden
        unnamed = iter(("dense", "dense_1", "dense_2", "dense_3"))  # as TF1 counts them

        def dense(inputs: int, outputs: int, name: str | None = None) -> Dense:
            return Dense(inputs, outputs, uniform, f"{SCOPE}/{name or next(unnamed)}")

        self.start = dense(hidden, 1)
        self.end_inner = dense(2 * hidden, _INNER, "qa_hidden") if sizes.joint else None
        self.end = dense(_INNER if sizes.joint else hidden, 1)
        self.answerable = self.answerable_inner = None
        if sizes.answerable:
            if sizes.answerable_from_start:
                self.answerable_inner = dense(2 * hidden, _INNER)
            self.answerable = dense(_INNER if sizes.answerable_from_start else hidden, 1)

    def __call__(
        self, hidden: tf.Tensor, features: Tensors, dropout: Dropout, *, training: bool
    ) -> dict[str, tf.Tensor]:
        """What is known of the answer of each row.

        Args:
          hidden: [B·S, D].
          features: As of `Head`, and start_positions [B], from which a joint head finds ends; only
            in training they must be there.
          dropout: Not used.
          training: A joint head then leaves out the beam.

        Returns:
          start_logits [B, S]; end_logits [B, S], of a joint head only where start_positions are
          known; answerable_logit [B], high where there is no answer; and of a joint head the beam:
          start_top_log_probs and start_top_index [B, K], end_top_log_probs and end_top_index
          [B, K, K], the ends of each start.
        """
        del dropout
        length = length_of(features["input_ids"])
        rows = tf.reshape(hidden, [-1, length, hidden.shape[-1]])  # [B, S, D]
        mask = _masked(features, length)  # [B, S]
        start_logits = tf.reshape(logits_of(self.start, hidden), [-1, length]) + mask  # [B, S]
        outputs = {"start_logits": start_logits}
        if self.end_inner is None:
            end_logits = tf.reshape(logits_of(self.end, hidden), [-1, length])  # [B, S]
            outputs["end_logits"] = end_logits + mask
        else:
            # The reference joins each start with each end before the product; the product of both
            # halves is the same number, and is not computed again for every pair.
            kernel = tf.cast(self.end_inner.kernel, hidden.dtype)  # [2·D, N]
            of_start, of_end = tf.split(kernel, 2)  # each [D, N]
            ends = affine(hidden, of_end, tf.cast(self.end_inner.bias, hidden.dtype))  # [B·S, N]
            ends = tf.reshape(ends, [-1, length, _INNER])  # [B, S, N]
            if training or "start_positions" in features:
                start = rows_at(rows, features["start_positions"][:, None])[:, 0]  # [B, D]
                inner = tf.matmul(start, of_start)[:, None] + ends  # [B, S, N]
                end_logits = logits_of(self.end, gelu(tf.reshape(inner, [-1, _INNER])))  # [B·S, 1]
                outputs["end_logits"] = tf.reshape(end_logits, [-1, length]) + mask
            if not training:
                outputs |= self._search(start_logits, rows, of_start, ends, mask)
        if self.answerable is not None:
            outputs["answerable_logit"] = self._answerable(self.answerable, rows, start_logits)
        return outputs

    def _search(
        self,
        start_logits: tf.Tensor,
        rows: tf.Tensor,
        of_start: tf.Tensor,
        ends: tf.Tensor,
        mask: tf.Tensor,
    ) -> dict[str, tf.Tensor]:
        """The best starts, and the best ends of each; see `__call__`."""
        kept = tf.minimum(self._beam, tf.shape(start_logits)[1])
        start_top, start_index = tf.nn.top_k(tf.nn.log_softmax(start_logits), kept)  # each [B, K]
        starts = tf.gather(rows, start_index, batch_dims=1)  # [B, K, D]
        starts = tf.matmul(starts, of_start)  # [B, K, N]
        end_logits = pair_scores(starts, ends, self.end.kernel[:, 0])  # [B, K, S]
        end_logits += self.end.bias + mask[:, None]  # [B, K, S]
        end_top, end_index = tf.nn.top_k(tf.nn.log_softmax(end_logits), kept)  # each [B, K, K]
        return {
            "start_top_log_probs": start_top,
            "start_top_index": start_index,
            "end_top_log_probs": end_top,
            "end_top_index": end_index,
        }

    def _answerable(self, output: Dense, rows: tf.Tensor, start_logits: tf.Tensor) -> tf.Tensor:
        """[B, S, D] and [B, S] -> [B]."""
        values = rows[:, 0]  # [B, D]
        if self.answerable_inner is not None:
            weights = tf.cast(tf.nn.softmax(start_logits), rows.dtype)[:, None]  # [B, 1, S]
            at_start = tf.matmul(weights, rows)[:, 0]  # [B, D]
            values = gelu(self.answerable_inner(tf.concat([values, at_start], -1)))  # [B, N]
        return logits_of(output, values)[:, 0]  # [B]

    def row_losses(self, features: Tensors, outputs: Tensors) -> tf.Tensor:
        """Mean of the losses of start and end, and half of the one of is_impossible [B]; [B]."""
        losses = span_losses(features, outputs)  # [B]
        if self.answerable is not None:
            losses += _ANSWERABLE_WEIGHT * tf.nn.sigmoid_cross_entropy_with_logits(
                labels=tf.cast(features["is_impossible"], tf.float32),
                logits=outputs["answerable_logit"],
            )
        return losses


def _masked(features: Tensors, length: int | tf.Tensor) -> tf.Tensor:
    """What is added to logits; [B, S] float32."""
    allowed = tf.cast(features["input_mask"] * features["segment_ids"], tf.float32)  # [B, S]
    allowed += tf.one_hot(0, length)
    return _MASKED * (1.0 - allowed)
