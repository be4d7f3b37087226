from __future__ import annotations

import numpy as np
import tensorflow as tf

from electra_cli.config.schema import Config
from electra_cli.inputs import masking
from electra_cli.modeling.architecture import Architecture
from electra_cli.modeling.electra import ElectraModel
from electra_cli.modeling.sampling import sample_ids

IDS = {"pad": 0, "unk": 1, "cls": 2, "sep": 3, "mask": 4}
TINY = Config().replaced(
    {
        "model.vocab_size": 4096,
        "model.hidden_size": 128,
        "model.num_layers": 4,
        "model.num_attention_heads": 2,
        "model.intermediate_size": 512,
        "generator.size": 0.5,
    }
)


def features(config: Config, rows: int = 16) -> masking.Features:
    """A masked batch of random ids; rows of different lengths."""
    length = config.data.sequence_length
    generator = np.random.default_rng(0)
    ids = generator.integers(5, config.model.vocab_size, (rows, length))
    for row, end in zip(ids, generator.integers(length // 2, length + 1, rows), strict=True):
        row[0], row[end // 2], row[end - 1] = IDS["cls"], IDS["sep"], IDS["sep"]
        row[end:] = 0
    return masking.mask_tokens(
        masking.rows_to_features(tf.constant(ids), IDS["sep"]),
        seed=tf.constant(0, tf.int64),
        step=tf.constant(0, tf.int64),
        examples=tf.range(rows, dtype=tf.int64),
        mask_probability=0.15,
        sampling="reference",
        special_ids=IDS,
    )


def test_both_networks_read_the_same_embeddings() -> None:
    model = ElectraModel(Architecture.of(TINY))
    names = [variable.name for variable in model.trainable_variables]
    assert len(names) == len(set(names))
    assert sum("embeddings/" in name for name in names) == 5  # three tables, LayerNorm twice
    batch = features(TINY, rows=2)
    with tf.GradientTape(persistent=True) as tape:
        generator = tf.reduce_sum(model.generate(batch))
        discriminator = tf.reduce_sum(model.discriminate(batch["input_ids"], batch)[0])
    for shared in (
        model.embeddings.words,
        model.embeddings.positions,
        model.embeddings.types,
        model.embeddings.norm.gamma,
        model.embeddings.norm.beta,
    ):
        assert tape.gradient(generator, shared) is not None
        assert tape.gradient(discriminator, shared) is not None


def test_padding_changes_nothing() -> None:
    model = ElectraModel(Architecture.of(TINY))
    batch = features(TINY, rows=1)
    ids = tf.where(tf.range(128)[None] < 40, batch["input_ids"], 0)
    mask = tf.cast(ids != 0, tf.int32)
    short = {"input_mask": mask[:, :40], "segment_ids": batch["segment_ids"][:, :40]}
    padded = {"input_mask": mask, "segment_ids": batch["segment_ids"]}
    logits, _ = model.discriminate(ids, padded)
    expected, _ = model.discriminate(ids[:, :40], short)
    np.testing.assert_allclose(logits[:, :40], expected, atol=1e-5)


def test_samples_follow_the_distribution() -> None:
    logits = tf.constant([[0.0, 1.0, -2.0, 0.5, -1e9]])
    draws = 50_000
    uniforms = tf.constant((np.arange(draws) + 0.5) / draws, tf.float32)
    drawn = sample_ids(tf.repeat(logits, draws, axis=0), uniforms).numpy()
    expected = tf.nn.softmax(logits)[0].numpy() * draws
    np.testing.assert_allclose(np.bincount(drawn, minlength=5), expected, atol=1.5)


def test_sampling_stays_inside_the_vocabulary() -> None:
    almost_one = tf.constant([np.nextafter(np.float32(1), np.float32(0))])
    for size in (5, 256, 257, 30522):
        assert int(sample_ids(tf.zeros([1, size]), tf.constant([0.0]))[0]) == 0
        # The last token of the last column: 255, 511, … as far as the vocabulary goes.
        last = size - 1 if size < 256 else size - size % 256 - 1
        assert int(sample_ids(tf.zeros([1, size]), almost_one)[0]) == last


def test_samples_reach_every_token() -> None:
    """Also the last ones, which do not fill a row of the columns."""
    size = 700
    uniforms = tf.constant((np.arange(10 * size) + 0.5) / (10 * size), tf.float32)
    drawn = sample_ids(tf.zeros([10 * size, size]), uniforms).numpy()
    np.testing.assert_allclose(np.bincount(drawn, minlength=size), 10, atol=1)
