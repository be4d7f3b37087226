"""A few training rows, and what masking makes of them.

Shapes: B rows, S sequence.
"""

from __future__ import annotations

import contextlib

import numpy as np
import tensorflow as tf

from electra_cli.config.choices import Masking
from electra_cli.config.sections import ObjectiveConfig, TrainConfig
from electra_cli.corpus.shards.manifest import Manifest
from electra_cli.inputs.masking import mask_tokens, rows_to_features
from electra_cli.inputs.store import store_of


def preview_rows(
    manifest: Manifest, count: int, *, masking: Masking = "token"
) -> list[tuple[int, list[int], list[int]]]:
    """Masks training rows as step 0 of a run with the default seed and objective does.

    Args:
      manifest: What `load_manifest` returned.
      count: How many rows, evenly spread over the split; fewer if it has fewer.
      masking: What is drawn to be masked, in place of the default objective's.

    Returns:
      The place of each among the training rows, its S ids, and these with some as [MASK].
    """
    with contextlib.suppress(RuntimeError):  # TensorFlow is running already
        tf.config.set_visible_devices([], "GPU")  # whose memory belongs to a run beside this
    store = store_of(manifest, "train")
    count = min(count, len(store))
    indices = np.arange(count, dtype=np.int64) * len(store) // max(1, count)  # [B]
    rows, word_starts = store.gather_words(indices)  # [B, S] each
    special = manifest.special_ids
    features = mask_tokens(
        rows_to_features(tf.constant(rows), special.sep, special.pad),
        seed=tf.constant(TrainConfig().seed, tf.int64),
        step=tf.zeros([], tf.int64),
        examples=tf.constant(indices),
        mask_probability=ObjectiveConfig().mask_probability,
        sampling=ObjectiveConfig().sampling,
        special_ids=special.model_dump(exclude_none=True),
        masking=masking,
        word_starts=tf.constant(word_starts),
    )
    ids, masked = features["input_ids"].numpy(), features["masked_input_ids"].numpy()  # [B, S]
    return [
        (int(index), row.tolist(), masked_row.tolist())
        for index, row, masked_row in zip(indices, ids, masked, strict=True)
    ]
