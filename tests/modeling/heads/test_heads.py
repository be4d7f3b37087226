"""What heads of both styles have in common, and where they differ."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from electra_cli.config.finetune import HeadStyle, Kind
from electra_cli.modeling.dropout import Dropout
from electra_cli.modeling.heads.sizes import HeadSizes
from electra_cli.modeling.task_model import TaskModel
from electra_cli.optimization.accumulation import side_by_side
from tests.modeling.heads.inputs import KINDS, LENGTH, ROWS, architecture, batch, head

STYLES: tuple[HeadStyle, ...] = ("huggingface", "reference")
EVERY = [(kind, style) for kind in KINDS for style in STYLES]


def dropout(lane: tf.Tensor | int = 0) -> Dropout:
    return Dropout(tf.constant(5), tf.constant(7), 0, lane)


def hidden() -> tf.Tensor:
    return tf.constant(np.random.default_rng(1).normal(size=(ROWS * LENGTH, 16)), tf.float32)


def names(model: TaskModel) -> set[str]:
    found = {v.name.split("/")[1] for v in model.task_head.trainable_variables}
    assert all(v.name.startswith("task_head/") for v in model.task_head.trainable_variables)
    return found


@pytest.mark.parametrize(
    ("sizes", "layers"),
    [
        (head("classification", "huggingface"), {"dense", "out_proj"}),
        (head("regression", "huggingface"), {"dense", "out_proj"}),
        (head("tagging", "huggingface"), {"classifier"}),
        (head("qa", "huggingface"), {"qa_outputs"}),
        (head("classification", "reference"), {"dense"}),
        (head("regression", "reference"), {"dense"}),
        (head("tagging", "reference"), {"dense"}),
        (head("qa", "reference"), {"dense", "qa_hidden", "dense_1", "dense_2", "dense_3"}),
        (head("qa", "reference", answerable=False), {"dense", "qa_hidden", "dense_1"}),
        (head("qa", "reference", joint=False), {"dense", "dense_1", "dense_2", "dense_3"}),
        (
            head("qa", "reference", joint=False, answerable_from_start=False),
            {"dense", "dense_1", "dense_2"},
        ),
    ],
)
def test_layers_are_called_as_theirs(sizes: HeadSizes, layers: set[str]) -> None:
    assert names(TaskModel(architecture(), sizes, seed=0)) == layers


@pytest.mark.parametrize(
    ("kind", "style", "encoder_dropout", "drops"),
    [
        ("classification", "huggingface", 0.0, False),
        ("classification", "huggingface", 0.3, True),
        ("tagging", "huggingface", 0.3, True),
        ("qa", "huggingface", 0.3, False),
        ("classification", "reference", 0.0, True),  # its own, whatever the encoder has
        ("regression", "reference", 0.0, True),
        ("tagging", "reference", 0.3, False),
        ("qa", "reference", 0.3, False),
    ],
)
def test_which_heads_drop(
    kind: Kind, style: HeadStyle, encoder_dropout: float, drops: bool
) -> None:
    sizes = architecture(hidden_dropout=encoder_dropout, initializer_range=0.5)
    model = TaskModel(sizes, head(kind, style), seed=0)
    plain, dropped = (
        model.task_head(hidden(), batch(), masks, training=True) for masks in (Dropout(), dropout())
    )
    same = all(np.array_equal(plain[name], dropped[name]) for name in plain)
    assert same != drops


def test_the_references_dropout_is_a_tenth() -> None:
    model = TaskModel(architecture(), head("regression", "reference"), seed=0)
    model.task_head.output.kernel.assign(tf.ones([16, 1]))
    rows = 4096
    features = {"input_ids": tf.zeros([rows, 1], tf.int32)}
    outputs = model.task_head(tf.ones([rows, 16]), features, dropout(), training=True)
    kept = outputs["predictions"] * 0.9
    np.testing.assert_allclose(kept, np.round(kept), atol=1e-4)  # whole numbers of elements
    assert np.mean(kept) == pytest.approx(16 * 0.9, rel=0.01)


@pytest.mark.parametrize(("kind", "style"), EVERY)
def test_lanes_give_what_the_whole_batch_gives(kind: Kind, style: HeadStyle) -> None:
    sizes = architecture(hidden_dropout=0.2, attention_dropout=0.2)
    model, features = TaskModel(sizes, head(kind, style), seed=0), batch()

    def of_lane(lane: tf.Tensor, part: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        return model(part, training=True, dropout=dropout(lane))

    (whole,), lanes = (side_by_side(of_lane, features, count) for count in (1, 2))
    for name, expected in whole.items():
        joined = np.concatenate([lane[name].numpy() for lane in lanes])
        assert (joined.dtype, len(joined)) == (np.float32, ROWS)
        np.testing.assert_allclose(joined, expected, rtol=1e-5, atol=1e-5, err_msg=name)


@pytest.mark.parametrize(("kind", "style"), EVERY)
def test_a_frozen_encoder_neither_learns_nor_drops(kind: Kind, style: HeadStyle) -> None:
    sizes = architecture(hidden_dropout=0.4, attention_dropout=0.4)
    model = TaskModel(sizes, head(kind, style), seed=0, frozen=True)
    free = TaskModel(sizes, head(kind, style), seed=0)
    of_head = {variable.name for variable in model.task_head.trainable_variables}
    assert {variable.name for variable in model.trainable_variables} == of_head
    assert {v.name for v in model.variables} == {v.name for v in free.variables}
    assert len(model.variables) == len(free.trainable_variables)
    features = batch()
    with tf.GradientTape(persistent=True) as tape:
        outputs = model(features, training=True, dropout=dropout())
        loss = tf.reduce_sum(model.task_head.row_losses(features, outputs))
    assert all(g is not None for g in tape.gradient(loss, model.trainable_variables))
    assert all(g is None for g in tape.gradient(loss, model.non_trainable_variables))
    undropped = model.task_head(model.hidden(features), features, dropout(), training=True)
    for name, expected in undropped.items():
        np.testing.assert_array_equal(outputs[name], expected)


def test_the_loss_of_words_is_a_sum_over_those_that_have_a_label() -> None:
    model = TaskModel(architecture(initializer_range=0.5), head("tagging", "huggingface"), seed=0)
    features = batch()
    outputs = model(features)
    rows = model.task_head.row_losses(features, outputs).numpy()
    logits = outputs["logits"].numpy().astype(np.float64)
    shares = np.exp(logits) / np.exp(logits).sum(axis=-1, keepdims=True)
    labels = features["labels"].numpy()
    right = np.take_along_axis(shares, labels[:, :, None], axis=-1)[:, :, 0]
    expected = (-np.log(right) * features["labels_mask"].numpy()).sum(axis=-1)
    np.testing.assert_allclose(rows, expected, rtol=1e-5)


def test_a_beam_is_no_wider_than_a_row() -> None:
    model = TaskModel(architecture(), head("qa", "reference"), seed=0)
    outputs = model({name: batch()[name] for name in ("input_ids", "input_mask", "segment_ids")})
    assert "end_logits" not in outputs
    assert outputs["start_top_index"].shape == (ROWS, LENGTH)
    assert outputs["end_top_log_probs"].shape == (ROWS, LENGTH, LENGTH)


def test_ends_of_a_known_start_are_those_of_the_beam() -> None:
    """What is learned in training and what is searched when predicting is one function."""
    sizes = architecture(initializer_range=0.5)
    model, features = TaskModel(sizes, head("qa", "reference"), seed=0), batch()
    outputs = {name: value.numpy() for name, value in model(features).items()}
    for row, start in enumerate(features["start_positions"].numpy()):
        place = list(outputs["start_top_index"][row]).index(start)
        ends = outputs["end_top_index"][row, place]
        expected = tf.nn.log_softmax(outputs["end_logits"][row]).numpy()[ends]
        np.testing.assert_allclose(
            outputs["end_top_log_probs"][row, place], expected, rtol=1e-6, atol=1e-5
        )
