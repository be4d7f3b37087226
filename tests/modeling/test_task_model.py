from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from electra_cli.modeling.electra import ElectraModel
from electra_cli.modeling.task_model import TaskModel
from tests.modeling.heads.inputs import architecture, batch, head


def values(model: tf.Module, scope: str) -> dict[str, np.ndarray]:
    return {v.name: v.numpy() for v in model.trainable_variables if v.name.startswith(scope)}


def test_the_encoder_is_that_of_the_pretrained_model() -> None:
    sizes = dataclasses.replace(architecture(), seed=4)
    pretrained = ElectraModel(sizes)
    model = TaskModel(sizes, head("qa", "huggingface"), seed=4)
    ours, theirs = (values(found, "electra/") for found in (model, pretrained))
    assert ours.keys() == theirs.keys()
    for name, value in theirs.items():
        np.testing.assert_array_equal(ours[name], value, err_msg=name)
    features = batch()
    _, expected = pretrained.discriminate(features["input_ids"], features)
    found = tf.reshape(model.hidden(features), expected.shape)
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(
    ("style", "limit"), [("huggingface", 0.04), ("reference", 6**0.5 / 19**0.5)]
)
def test_a_head_begins_by_its_seed(style: str, limit: float) -> None:
    """Hugging Face's within two standard deviations, the reference's as Glorot and Bengio say."""
    one, again, other = (
        values(TaskModel(architecture(), head("tagging", style), seed=seed), "task_head/")
        for seed in (1, 1, 2)
    )
    for name, value in one.items():
        np.testing.assert_array_equal(value, again[name])
        if name.endswith("bias:0"):
            assert not value.any()
        else:
            assert (value != other[name]).all()
            assert 0.5 * limit < np.abs(value).max() <= limit


def test_what_is_computed_in_bfloat16() -> None:
    model = TaskModel(architecture(), head("qa", "reference"), seed=0, compute_dtype="bfloat16")
    assert model.hidden(batch()).dtype == tf.bfloat16
    assert {variable.dtype for variable in model.variables} == {tf.float32}
    assert {output.dtype for output in model(batch()).values()} == {tf.float32, tf.int32}


def test_a_traced_model_takes_rows_of_any_length() -> None:
    model = TaskModel(architecture(), head("qa", "reference"), seed=0)
    spec = {
        name: tf.TensorSpec([None, None], tf.int32)
        for name in ("input_ids", "input_mask", "segment_ids")
    }
    traced = tf.function(lambda text: model(text), input_signature=[spec], autograph=False)
    for length in (6, 12):
        text = {name: batch(length)[name] for name in spec}
        for name, expected in model(text).items():
            if not name.endswith("_index"):
                np.testing.assert_allclose(traced(text)[name], expected, rtol=1e-5, atol=1e-5)
