"""A run with an average of the weights: evaluated and exported are the averages."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from electra_cli.evaluation.evaluate import evaluate
from electra_cli.interop.weights import load_checkpoint
from electra_cli.runs.named import find_checkpoints
from tests.conftest import Electra, settings


@pytest.mark.slow
def test_checkpoint_gives_the_averages(electra: Electra, data: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    options = ["--data", data, *settings(), "--set", "optimizer.ema_decay=0.5", "--json"]
    trained = electra(
        "pretrain", "--preset", "tiny", *options, "--steps", 4, "--model-dir", run
    ).json
    checkpoint = find_checkpoints(run)[-1]
    stored = tf.train.load_checkpoint(str(checkpoint.prefix))
    model = load_checkpoint(checkpoint)
    for path in ("discriminator/project/kernel", "embeddings/words"):
        weight = f"model/{path}/.ATTRIBUTES/VARIABLE_VALUE"
        average = f"model/{path}/.OPTIMIZER_SLOT/optimizer/average/.ATTRIBUTES/VARIABLE_VALUE"
        found = model
        for part in path.split("/"):
            found = getattr(found, part)
        np.testing.assert_array_equal(found.numpy(), stored.get_tensor(average))
        assert (found.numpy() != stored.get_tensor(weight)).any()
    (again,) = evaluate([checkpoint], data=None, device="cpu")
    for name, value in trained["evaluation"].items():
        assert value is None or abs(again.metrics[name] - value) < 1e-4, name
