"""A batch of prepared rows as the features of a step: what is masked, and what is known of rows.

Shapes: B rows of a replica, S sequence.
"""

from __future__ import annotations

from collections.abc import Mapping

import tensorflow as tf

from electra_cli.config.schema import Config
from electra_cli.inputs import masking
from electra_cli.metrics import held_out

# Validation draws its masks and samples from this constant and the example alone, so that every
# checkpoint of every run meets the same ones.
_VALIDATION_SEED = 20200323


def seed_of(settings: Config, *, training: bool) -> tf.Tensor:
    """Of masks and samples, scalar int64."""
    return tf.constant(settings.train.seed if training else _VALIDATION_SEED, tf.int64)


def mask_probability(settings: Config, *, training: bool) -> float:
    """The share of tokens that is masked; held-out rows ask every run the same question."""
    return settings.objective.mask_probability if training else held_out.MASK_PROBABILITY


def masked_features(
    inputs: Mapping[str, tf.Tensor],
    settings: Config,
    special_ids: Mapping[str, int],
    *,
    training: bool,
) -> masking.Features:
    """Masks a batch.

    Args:
      inputs: Rows of `build_inputs`: input_ids [B, S], example_index [B], step [B] and, where
        words are masked, word_starts [B, S].
      settings: Of the run.
      special_ids: Ids of the special tokens by name.
      training: Draws differ from step to step, at the run's own rate.

    Returns:
      What `masking.mask_tokens` returns and, where tokens attend within their document alone,
      document_ids [B, S].
    """
    sep, objective = special_ids["sep"], settings.objective
    features = masking.rows_to_features(inputs["input_ids"], sep, special_ids.get("pad", 0))
    if settings.model.document_attention:
        features["document_ids"] = masking.document_ids(features["input_ids"], sep)
    return masking.mask_tokens(
        features,
        seed=seed_of(settings, training=training),
        step=inputs["step"][0] if training else tf.zeros([], tf.int64),
        examples=inputs["example_index"],
        mask_probability=mask_probability(settings, training=training),
        sampling=objective.sampling,
        special_ids=special_ids,
        masking=objective.masking,
        word_starts=inputs.get("word_starts"),
    )
