"""Our fine-tuning against that of google-research/electra (TF 1.15, dropout off)."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from electra_cli.modeling.fused import plain_operations
from electra_cli.modeling.task_model import TaskModel
from electra_cli.optimization.update import update
from tests.golden.finetune_case import FinetuneCase
from tests.golden.reference_case import case_folders

# Fused is what users get; plain is what is exported.
TRACED = {"fused": contextlib.nullcontext, "plain": plain_operations}
# Of losses and norms; they are sums over four rows, where those of pretraining are means over many.
TOLERANCE = 3e-6
MASKED = -500.0  # log probabilities below it are of positions that cannot be in an answer


@pytest.fixture(
    scope="module", params=case_folders(finetuning=True), ids=lambda folder: folder.name
)
def case(request: pytest.FixtureRequest) -> FinetuneCase:
    return FinetuneCase(request.param)


def observer(case: FinetuneCase, model: TaskModel) -> Callable[..., Any]:
    """(inputs) -> outputs, losses of rows, gradients of their sum."""

    def observe(inputs: dict[str, tf.Tensor]) -> tuple[dict[str, tf.Tensor], tf.Tensor, list]:
        with tf.GradientTape() as tape:
            hidden = model.hidden(inputs)
            outputs = model(inputs, training=True)
            rows = model.task_head.row_losses(inputs, outputs)
            loss = tf.reduce_sum(rows)
        shape = [*inputs["input_ids"].shape, -1]
        outputs["sequence_output"] = tf.reshape(hidden, shape)
        return outputs, rows, tape.gradient(loss, model.trainable_variables)

    return observe


def by_reference_name(case: FinetuneCase, model: TaskModel, values: list) -> dict[str, np.ndarray]:
    """Values of all variables under the reference's names."""
    found: dict[str, np.ndarray] = {}
    for variable, value in zip(model.trainable_variables, values, strict=True):
        found |= case.to_reference(variable.name, value.numpy())
    return found


def check_outputs(expected: dict[str, np.ndarray], outputs: dict[str, tf.Tensor]) -> set[str]:
    """Compares what was recorded with what is there; returns the names that were compared."""
    compared = {name for name in outputs if name in expected}
    for name in compared:
        ours, theirs = outputs[name].numpy(), expected[name]
        if name.endswith("_index"):  # the order of masked positions means nothing
            allowed = expected[name.replace("index", "log_probs")] > MASKED
            np.testing.assert_array_equal(ours[allowed], theirs[allowed], err_msg=name)
            continue
        # Masked logits are around -1000, where neighbouring numbers are further apart.
        np.testing.assert_allclose(
            ours, theirs, rtol=1e-6 if theirs.min() < MASKED else 0, atol=1e-5, err_msg=name
        )
    return compared


def relative(ours: np.ndarray, expected: np.ndarray) -> float:
    """Norm of the difference over the norm of what is expected."""
    return float(np.linalg.norm(ours - expected) / np.linalg.norm(expected))


# What the reference records beside what a head returns.
OTHER = {"per_example_loss", "total_loss", "mean_loss", "gnorm", "gnorm_summed", "predictions"}
BEAM = {"start_top_log_probs", "start_top_index", "end_top_log_probs", "end_top_index"}


def test_every_variable_is_mapped_both_ways(case: FinetuneCase) -> None:
    model = case.model()
    back = by_reference_name(case, model, model.trainable_variables)
    assert {name: list(value.shape) for name, value in back.items()} == case.recorded["variables"]
    for name, value in back.items():
        np.testing.assert_array_equal(value, case.reader.get_tensor(name), err_msg=name)


def test_the_rate_of_every_variable(case: FinetuneCase) -> None:
    model, optimizer = case.model(), case.optimizer()
    factors = {}
    for variable in model.trainable_variables:
        factor = np.array([1, 1, 1]) * optimizer.rate_factor_of(variable)  # of its three parts
        factors |= case.to_reference(variable.name, factor)
    expected = case.recorded["lr_multiplier"]
    assert {name: float(factor[0]) for name, factor in factors.items()} == pytest.approx(
        expected, rel=1e-6
    )


def check_losses(expected: dict[str, np.ndarray], rows: tf.Tensor) -> None:
    np.testing.assert_allclose(rows, expected["per_example_loss"], rtol=TOLERANCE)
    np.testing.assert_allclose(np.sum(rows), expected["total_loss"], rtol=TOLERANCE)


def check_gradients(case: FinetuneCase, model: TaskModel, gradients: list[tf.Tensor]) -> None:
    """Those of the first step."""
    ours = by_reference_name(case, model, gradients)
    for name, theirs in case.part("step0/grad").items():
        # The gradient of a bias before a softmax is zero in truth; what is recorded is float noise,
        # of which 1.1e-8 was seen on a CPU without AVX512. The epsilon of float32 is 6e-8.
        bound = 1e-4 * np.linalg.norm(theirs) + 2e-8 * case.values["step0/out/gnorm"]
        assert np.linalg.norm(ours[name] - theirs) <= bound, name


def test_plain_operations(case: FinetuneCase) -> None:
    """What is exported, and what is given to compilers of whole steps: outputs and gradients."""
    model, expected = case.model(), case.part("step0/out")
    with plain_operations():
        outputs, rows, gradients = observer(case, model)(case.inputs("step0"))
    assert expected.keys() <= check_outputs(expected, outputs) | OTHER | BEAM
    check_losses(expected, rows)
    check_gradients(case, model, [tf.convert_to_tensor(gradient) for gradient in gradients])


def test_all_steps(case: FinetuneCase) -> None:
    """Of what users get."""
    model, optimizer = case.model(), case.optimizer()
    observe = tf.function(observer(case, model), autograph=False)

    @tf.function(autograph=False)
    def step_with(
        gradients: list[tf.Tensor], loss: tf.Tensor, clip_norm: tf.Tensor
    ) -> dict[str, tf.Tensor]:
        variables = model.trainable_variables
        return update(optimizer, gradients, variables, loss=loss, clip_norm=clip_norm)

    for step in range(case.steps):
        expected = case.part(f"step{step}/out")
        outputs, rows, gradients = observe(case.inputs(f"step{step}"))
        assert expected.keys() <= check_outputs(expected, outputs) | OTHER | BEAM
        check_losses(expected, rows)
        # The reference clips by a norm in which rows of the word table that occur several times
        # are not added up. Ours adds them up, as the update itself does; so to end with the same
        # weights it is told the length at which the reference's factor comes out.
        unsummed = float(tf.linalg.global_norm(gradients))
        np.testing.assert_allclose(unsummed, expected["gnorm"], rtol=TOLERANCE)
        dense = [tf.convert_to_tensor(gradient) for gradient in gradients]
        summed = tf.linalg.global_norm(dense)
        limit = case.recorded["optimizer"]["clip_norm"] / max(1.0, unsummed)
        logs = step_with(dense, tf.reduce_sum(rows), limit * summed)
        np.testing.assert_allclose(logs["gradient_norm"], expected["gnorm_summed"], rtol=TOLERANCE)
        np.testing.assert_allclose(logs["learning_rate"], case.values[f"step{step}/lr"], rtol=1e-5)
        if step == 0:
            check_gradients(case, model, dense)
    final = by_reference_name(case, model, model.trainable_variables)
    for name, theirs in case.part("final").items():
        np.testing.assert_allclose(final[name], theirs, rtol=0, atol=1e-5, err_msg=name)


@pytest.mark.parametrize("traced", TRACED)
def test_predictions(case: FinetuneCase, traced: str) -> None:
    inputs = case.inputs("step0")
    text = {name: inputs[name] for name in inputs if name not in ("start_positions",)}
    with TRACED[traced]():
        outputs = case.model()(text, training=False)
    expected = case.part("predict/out")
    # What the reference does not have at this point, it records as zeros.
    expected = {name: value for name, value in expected.items() if value.any()}
    assert expected.keys() <= check_outputs(expected, outputs) | OTHER


def test_a_row_that_only_fills_up_changes_no_other(case: FinetuneCase) -> None:
    """What the row itself gives is noise: scores of which all are lowered by 10,000."""
    outputs, rows, _ = observer(case, case.model())(case.inputs("padded"))
    expected = case.part("padded/out")
    real = {name: value[:-1] for name, value in outputs.items()}
    check_outputs({name: value[:-1] for name, value in expected.items() if value.ndim}, real)
    np.testing.assert_allclose(rows[:-1], expected["per_example_loss"][:-1], rtol=TOLERANCE)
    np.testing.assert_allclose(np.sum(rows[:-1]), expected["total_loss"], rtol=TOLERANCE)


def test_bfloat16_is_within_three_percent(case: FinetuneCase) -> None:
    model = case.model("bfloat16")
    expected = case.part("step0/out")
    outputs, rows, _ = observer(case, model)(case.inputs("step0"))
    assert model.hidden(case.inputs("step0")).dtype == tf.bfloat16
    for name in outputs.keys() & expected.keys() - BEAM:
        allowed = expected[name] > MASKED
        ours = tf.cast(outputs[name], tf.float32).numpy()
        assert relative(ours[allowed], expected[name][allowed]) <= 0.03, name
    assert relative(np.sum(rows), expected["total_loss"]) <= 0.03
