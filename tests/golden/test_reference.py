"""Our numbers against those recorded from google-research/electra (TF 1.15, dropout off)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from electra_cli.modeling.electra import ElectraModel
from electra_cli.optimization.registration import optimization_config
from electra_cli.task import ElectraPretrainTask, ElectraTaskConfig
from tests.golden.reference_case import ReferenceCase, reference_arrays

FOLDERS = sorted(path.parent for path in Path(__file__).parent.glob("*/golden.npz"))
STEPS = 5


@pytest.fixture(scope="module", params=FOLDERS, ids=lambda folder: folder.name)
def case(request: pytest.FixtureRequest) -> ReferenceCase:
    return ReferenceCase(request.param)


def task_of(case: ReferenceCase) -> ElectraPretrainTask:
    special = {"pad": 0, "unk": 100, "cls": 101, "sep": 102, "mask": 103}
    config = ElectraTaskConfig(settings=case.config.model_dump(), special_ids=special)
    return ElectraPretrainTask(config)


def model_of(case: ReferenceCase, task: ElectraPretrainTask) -> ElectraModel:
    model = task.build_model()
    for variable in model.trainable_variables:
        variable.assign(reference_arrays(variable.name, case.reader.get_tensor))
    return model


def test_every_reference_variable_is_ours(case: ReferenceCase) -> None:
    used: set[str] = set()

    def read(name: str) -> np.ndarray:
        used.add(name)
        return case.reader.get_tensor(name)

    for variable in task_of(case).build_model().trainable_variables:
        assert reference_arrays(variable.name, read).shape == variable.shape, variable.name
    assert used == set(case.recorded["variables"])


def test_five_steps(case: ReferenceCase) -> None:
    task = task_of(case)
    model = model_of(case, task)
    optimizer = task.create_optimizer(optimization_config(case.config))
    step_function = tf.function(lambda inputs: task.train_step(inputs, model, optimizer))
    forward = tf.function(lambda inputs: model(inputs, training=False))
    for step in range(STEPS):
        inputs = case.inputs(step)
        outputs = forward(inputs)
        for ours, theirs in (
            ("masked_lm_logits", "mlm_logits"),
            ("disc_inputs", "disc_inputs"),
            ("disc_labels", "disc_labels"),
            ("disc_sequence_output", "disc_sequence_output"),
        ):
            expected = case.output(step, theirs)
            used = np.ones_like(expected, bool)
            if theirs == "mlm_logits":  # unused slots look at [CLS] and count nowhere
                used &= inputs["masked_lm_weights"].numpy()[:, :, None] > 0
            np.testing.assert_allclose(outputs[ours].numpy()[used], expected[used], atol=1e-5)
        probabilities = tf.sigmoid(outputs["disc_logits"]).numpy()
        np.testing.assert_allclose(probabilities, case.output(step, "disc_probs"), atol=1e-5)
        logs = step_function(inputs)
        for ours, theirs in (
            ("masked_lm_loss", "mlm_loss"),
            ("disc_loss", "disc_loss"),
            ("total_loss", "total_loss"),
        ):
            np.testing.assert_allclose(logs[ours], case.output(step, theirs), rtol=1e-6)
        np.testing.assert_allclose(logs["gradient_norm"], case.output(step, "gnorm"), rtol=1e-5)
    for variable in model.trainable_variables:
        expected = reference_arrays(variable.name, lambda name: case.values[f"final/{name}"])
        np.testing.assert_allclose(variable.numpy(), expected, atol=1e-5, err_msg=variable.name)
