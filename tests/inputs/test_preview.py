from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from electra_cli.config.choices import Masking
from electra_cli.config.load import load_config
from electra_cli.corpus.shards.manifest import load_manifest
from electra_cli.inputs.masking import mask_tokens, rows_to_features
from electra_cli.inputs.preview import preview_rows
from electra_cli.inputs.rows import Share, training_dataset


@pytest.mark.parametrize("masking", ["token", "whole-word", "span"])
def test_masks_are_those_of_the_first_batch(data: Path, masking: Masking) -> None:
    manifest = load_manifest(data)
    config = load_config(preset="small", environment={}).config
    # A batch of the whole split, so that every previewed row is in it.
    everything = training_dataset(
        manifest, Share(manifest.examples), seed=config.train.seed, start_step=0, word_starts=True
    )
    (batch,) = everything.take(1)
    masked = mask_tokens(
        rows_to_features(batch["input_ids"], manifest.special_ids.sep),
        seed=tf.constant(config.train.seed, tf.int64),
        step=batch["step"][0],
        examples=batch["example_index"],
        mask_probability=config.objective.mask_probability,
        sampling=config.objective.sampling,
        special_ids=manifest.special_ids.model_dump(),
        masking=masking,
        word_starts=batch["word_starts"],
    )
    order = np.argsort(batch["example_index"])
    rows = preview_rows(manifest, 5, masking=masking)
    assert [index for index, _, _ in rows] == [i * manifest.examples // 5 for i in range(5)]
    for index, ids, masked_ids in rows:
        at = order[index]
        assert ids == batch["input_ids"][at].numpy().tolist()
        assert masked_ids == masked["masked_input_ids"][at].numpy().tolist()
        assert manifest.special_ids.mask in masked_ids


def test_more_than_there_are(data: Path) -> None:
    manifest = load_manifest(data)
    rows = preview_rows(manifest, manifest.examples + 1)
    assert [index for index, _, _ in rows] == list(range(manifest.examples))
