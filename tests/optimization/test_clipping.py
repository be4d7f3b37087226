"""The gradient of the whole batch is made no longer than `optimizer.clip_norm`."""

from __future__ import annotations

import numpy as np
import pytest
import tf_keras

from electra_cli.modeling.fused import plain_operations
from tests.golden.reference_case import ReferenceCase
from tests.places import GOLDEN


@pytest.mark.parametrize("limit", [1e-3, 0.5, 1e3])
def test_how_far_a_step_goes(limit: float) -> None:
    """With plain gradient descent at a rate of one a step is the clipped gradient."""
    case = ReferenceCase(GOLDEN / "small_like")
    case.config = case.config.replaced({"optimizer.clip_norm": limit})
    task = case.task()
    model = case.model(task)
    before = [variable.numpy() for variable in model.trainable_variables]
    with plain_operations():
        logs = task.train_step(case.inputs(0), model, tf_keras.optimizers.legacy.SGD(1.0))
    pairs = zip(before, model.trainable_variables, strict=True)
    moved = np.linalg.norm([np.linalg.norm(old - new.numpy()) for old, new in pairs])
    norm = float(logs["gradient_norm"])
    assert 0.5 < norm < 1e3
    assert norm == pytest.approx(case.output(0, "gnorm"), rel=1e-5)
    assert moved == pytest.approx(min(norm, limit), rel=1e-3)
