"""Attention within documents is what each document would be by itself, at the same positions."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import tensorflow as tf

from electra_cli.config.schema import Config
from electra_cli.inputs import masking
from electra_cli.modeling.architecture import Architecture
from electra_cli.modeling.attention import attend
from electra_cli.modeling.dropout import Draw
from electra_cli.modeling.electra import ElectraModel
from electra_cli.modeling.fused import plain_operations
from electra_cli.objectives import objective_of
from tests.modeling.test_fused import KEY, normal

CLS, SEP, MASK = 2, 3, 4
HEADS, SIZE, ROWS = 2, 8, 2
Found = list[tf.Tensor]


def compiled(function: Callable[..., Found]) -> Callable[..., Found]:
    """A function in the form of a step that is compiled as a whole."""

    def plain(*tensors: tf.Tensor) -> Found:
        with plain_operations():
            return function(*tensors)

    return tf.function(plain, jit_compile=True, autograph=False)


def ids_of(length: int) -> np.ndarray:
    """Three documents and two, of which one ends a third before the end of the row."""
    ids = np.random.default_rng(0).integers(10, 50, [ROWS, length]).astype(np.int32)
    ids[:, 0] = CLS
    ids[0, [length // 4, length // 2, -1]] = SEP
    ids[1, [length // 3, length * 2 // 3]] = SEP
    ids[1, length * 2 // 3 + 1 :] = 0
    return ids


def of_documents(ids: np.ndarray) -> list[np.ndarray]:
    """Where the first document of each row is, the second, …; [B, S] int32 each."""
    documents = masking.document_ids(tf.constant(ids), SEP).numpy()
    return [((documents == number) & (ids != 0)).astype(np.int32) for number in range(3)]


def test_a_document_ends_with_its_separator() -> None:
    ids = tf.constant([[CLS, 10, SEP, 11, 12, SEP, 0, 0]])
    assert masking.document_ids(ids, SEP).numpy().tolist() == [[0, 0, 0, 1, 1, 1, 2, 2]]


@pytest.mark.parametrize("length", [16, 135])
def test_attention_is_that_of_each_document_alone(length: int) -> None:
    """135 positions are two blocks in the compiled form, the last one with fillers."""
    ids = ids_of(length)
    projected = tf.constant(normal(ROWS * length, 3 * HEADS * SIZE))
    upstream = normal(ROWS, length, HEADS * SIZE, seed=1)
    documents = masking.document_ids(tf.constant(ids), SEP)

    def attended(mask: tf.Tensor, places: tf.Tensor, document_ids: tf.Tensor | None) -> Found:
        with tf.GradientTape() as tape:
            tape.watch(projected)
            draw = Draw(tf.constant(KEY), 0.3)
            context = attend(projected, mask, draw, document_ids, heads=HEADS)
            seen = tf.reshape(context, upstream.shape) * tf.cast(places[:, :, None], tf.float32)
            total = tf.reduce_sum(seen * upstream)
        return [seen, tape.gradient(total, projected)]

    tokens = tf.constant((ids != 0).astype(np.int32))
    alone = [attended(tf.constant(one), tf.constant(one), None) for one in of_documents(ids)]
    expected = [np.sum(parts, axis=0) for parts in zip(*alone, strict=True)]
    for form in (attended, compiled(attended)):
        for found, wanted in zip(form(tokens, tokens, documents), expected, strict=True):
            assert np.linalg.norm(found - wanted) <= 2e-6 * np.linalg.norm(wanted)
    across = attended(tokens, tokens, None)
    assert np.linalg.norm(across[0] - expected[0]) > 0.1 * np.linalg.norm(expected[0])


def test_both_networks_see_a_document_alone_even_if_a_separator_is_drawn() -> None:
    length = 24
    ids, tokens = ids_of(length), {"vocab_size": 50, "embedding_size": 8, "hidden_size": 16}
    sizes = tokens | {"num_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
    config = Config().replaced(
        {f"model.{name}": value for name, value in sizes.items()}
        | {"model.max_position_embeddings": length, "data.sequence_length": length}
    )
    objective = objective_of(config.objective)
    model = ElectraModel(Architecture.of(config), forward=objective.forward)
    features = masking.rows_to_features(tf.constant(ids), SEP)
    positions = tf.constant([[2, 8, 14], [3, 10, 12]])
    masks = tf.fill([ROWS, 3], MASK)
    features |= {
        "masked_lm_positions": positions,
        "masked_lm_weights": tf.ones([ROWS, 3]),
        "masked_input_ids": masking.scatter_ids(features["input_ids"], positions, masks, masks),
        "sampled_ids": tf.fill([ROWS, 3], SEP),
    }
    documents = masking.document_ids(features["input_ids"], SEP)
    weights = normal(ROWS, length, seed=1), normal(ROWS, 3, 50, seed=2)

    def outputs(mask: tf.Tensor, *document_ids: tf.Tensor) -> Found:
        """Both logits where the mask is, and the gradients of a sum of them."""
        more = {"document_ids": document_ids[0]} if document_ids else {}
        places = tf.cast(mask, tf.float32)
        with tf.GradientTape() as tape:
            found = model(features | {"input_mask": mask} | more)
            disc = found["disc_logits"] * places
            at_masks = tf.gather(places, positions, batch_dims=1)[:, :, None]
            generated = found["masked_lm_logits"] * at_masks
            total = tf.reduce_sum(disc * weights[0]) + tf.reduce_sum(generated * weights[1])
        gradients = tape.gradient(total, model.trainable_variables)
        return [disc, generated, *(tf.convert_to_tensor(gradient) for gradient in gradients)]

    with plain_operations():  # what is said above of the forms holds here too
        alone = [outputs(tf.constant(one)) for one in of_documents(ids)]
        together = outputs(features["input_mask"], documents)
    expected = [np.sum(parts, axis=0) for parts in zip(*alone, strict=True)]
    for found, wanted in zip(together, expected, strict=True):
        assert np.linalg.norm(found - wanted) <= 1e-5 * np.linalg.norm(wanted) + 1e-6
