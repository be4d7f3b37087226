"""Small encoders and batches for heads."""

from __future__ import annotations

import dataclasses

import numpy as np
import tensorflow as tf

from electra_cli.config.finetune import Kind
from electra_cli.modeling.architecture import Architecture, EncoderSizes
from electra_cli.modeling.heads.sizes import HeadSizes

KINDS: tuple[Kind, ...] = ("classification", "regression", "tagging", "qa")
CLASSES, ROWS, LENGTH, WORDS = 3, 4, 12, 5


def architecture(**sizes: float) -> Architecture:
    """One of two layers; `sizes` are of its main network, which has no dropout by default."""
    main = EncoderSizes(
        hidden=16,
        layers=2,
        heads=2,
        intermediate=32,
        hidden_dropout=0.0,
        attention_dropout=0.0,
        initializer_range=0.02,
    )
    return Architecture(
        vocab_size=40,
        embedding=8,
        max_positions=LENGTH,
        types=2,
        generator=None,
        discriminator=dataclasses.replace(main, **sizes),
        seed=0,
    )


def head(kind: Kind, style: str, **more: bool) -> HeadSizes:
    """A head of a kind."""
    return HeadSizes(kind, style, CLASSES if kind in ("classification", "tagging") else 1, **more)


def batch(length: int = LENGTH) -> dict[str, tf.Tensor]:
    """Rows of two segments and padding, with the labels of every kind."""
    random = np.random.default_rng(0)
    mask = np.arange(length) < np.array([[length], [length - 1], [length - 3], [length - 4]])
    segments = mask & (np.arange(length) >= 4)
    words = np.array([[5], [5], [3], [2]])

    def below(high: int, *shape: int) -> np.ndarray:
        return random.integers(0, high, shape).astype(np.int32)

    features = {
        "input_ids": below(40, ROWS, length) * mask,
        "input_mask": mask.astype(np.int32),
        "segment_ids": segments.astype(np.int32),
        "label_ids": below(CLASSES, ROWS),
        "targets": random.normal(size=ROWS).astype(np.float32),
        "labels": below(CLASSES, ROWS, WORDS),
        "labeled_positions": np.sort(below(6, ROWS, WORDS), axis=-1),
        "labels_mask": (np.arange(WORDS) < words).astype(np.float32),
        "start_positions": np.array([0, 5, 4, 0], np.int32),
        "end_positions": np.array([0, 6, 4, 0], np.int32),
        "is_impossible": np.array([1, 0, 0, 0], np.int32),
    }
    return {name: tf.constant(value) for name, value in features.items()}
