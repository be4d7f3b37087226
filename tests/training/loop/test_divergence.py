"""Steps that are not finite: counted in the graph, and the end of a run that has too many."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from electra_cli.errors import TrainingError
from electra_cli.training.loop.actions import stop_when_diverged
from electra_cli.training.loop.trainer import ElectraTrainer
from tests.conftest import Electra
from tests.training.loop.test_update import build, train
from tests.training.runs import options, steps_of


@pytest.fixture(scope="module")
def trainer(data: Path) -> ElectraTrainer:
    return build(data)


def test_eleven_in_a_row_and_eleven_of_the_last_thousand(trainer: ElectraTrainer) -> None:
    action = stop_when_diverged(trainer.skips, lambda step: [step, 7])
    poisoned = trainer.model.replaced_token_head.output.bias
    good = poisoned.numpy()
    bad = 0
    for _ in range(5):  # two bad steps, then a good one
        poisoned.assign(good + np.nan)
        logs = train(trainer, 2)
        bad += 2
        poisoned.assign(good)
        action(logs | train(trainer, 1))
        assert logs["skipped_steps"] == bad
    assert trainer.skips.divergence is None
    poisoned.assign(good + np.nan)
    logs = train(trainer, 20)  # the eleventh is the first of them; the loop goes on
    assert trainer.skips.divergence is not None
    assert trainer.skips.divergence["step"] == 16
    words = r"more than 10 of the last 1,000 steps, at last in step 16 with the examples 16, 7 "
    with pytest.raises(TrainingError, match=words + r".*learning rate 0.\d+.*gradient norm nan"):
        action(logs)


def test_a_run_that_diverges_leaves_finite_checkpoints(
    electra: Electra, data: Path, tmp_path: Path
) -> None:
    """At such a rate weights overflow at once, and no checkpoint has them."""
    run = tmp_path / "run"
    command = options(data, run, "--learning-rate", 1e38, "--set", "optimizer.warmup_steps=0")
    more = ["--set", "train.checkpoint_every=1", "--set", "train.evaluate_every=100"]
    electra(*command, *more).failed(70, "not finite", "step ")
    import tensorflow as tf

    assert steps_of(run)
    for step in steps_of(run):
        reader = tf.train.load_checkpoint(str(run / "checkpoints" / f"ckpt-{step}" / "state"))
        for name in reader.get_variable_to_shape_map():
            value = np.asarray(reader.get_tensor(name))
            assert value.dtype.kind != "f" or np.isfinite(value).all()


def test_out_of_memory(
    electra: Electra, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Simulated: a machine that really has none left ends processes at random."""
    import tensorflow as tf

    def fail(self: ElectraTrainer, steps: tf.Tensor) -> None:
        raise tf.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor")

    with monkeypatch.context() as patch:
        patch.setattr(ElectraTrainer, "train", fail)
        failed = electra(*options(data, tmp_path / "run"))
    failed.failed(
        71,
        "out of memory at step 0: 8 rows of 32 tokens",
        "a batch of 4 should fit",
        "--set train.accumulation_steps=2 --allow-config-change train.accumulation_steps",
    )
    assert steps_of(tmp_path / "run") == [0]
    key = "train.accumulation_steps"
    hinted = ["--set", f"{key}=2", "--allow-config-change", key, "--stop-at-step", 1]
    assert electra(*options(data, tmp_path / "run", *hinted)).json["final_step"] == 1
