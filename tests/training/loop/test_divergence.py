"""The end of a run that diverges, and of one whose device fails."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from electra_cli.training.loop.trainer import ElectraTrainer
from tests.conftest import Electra
from tests.training.runs import options, steps_of


@pytest.mark.slow
def test_a_run_that_diverges_leaves_finite_checkpoints(
    electra: Electra, data: Path, tmp_path: Path
) -> None:
    """At such a rate weights overflow at once, and no checkpoint has them."""
    run = tmp_path / "run"
    command = options(data, run, "--learning-rate", 1e38, "--set", "optimizer.warmup_steps=0")
    more = ["--set", "train.checkpoint_every=1", "--set", "train.evaluate_every=100"]
    report = run / "report.html"
    electra(*command, *more).failed(70, "not finite", "step ", f"{report} explains the run")
    assert "since its last process ended: loss or gradient was not finite" in report.read_text()
    assert steps_of(run)
    for step in steps_of(run):
        reader = tf.train.load_checkpoint(str(run / "checkpoints" / f"ckpt-{step}" / "state"))
        for name in reader.get_variable_to_shape_map():
            value = np.asarray(reader.get_tensor(name))
            assert value.dtype.kind != "f" or np.isfinite(value).all()


def test_a_device_that_fails(
    electra: Electra, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Simulated: a machine that really has no memory left ends processes at random."""
    run = tmp_path / "run"

    def no_memory(self: ElectraTrainer, steps: tf.Tensor) -> None:
        raise tf.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor")

    with monkeypatch.context() as patch:
        patch.setattr(ElectraTrainer, "train", no_memory)
        failed = electra(*options(data, run))
    failed.failed(
        71,
        "out of memory at step 0: 8 rows of 32 tokens",
        "a batch of 4 should fit",
        "--set train.accumulation_steps=2 --allow-config-change train.accumulation_steps",
        f"{run / 'report.html'} explains the run",
    )
    assert "its last process ended: out of memory" in (run / "report.html").read_text()
    assert steps_of(run) == [0]

    def ended(self: ElectraTrainer, steps: tf.Tensor) -> None:
        """A signal to all processes of a group, such as Ctrl-C, ends XLA's compiler too."""
        os.kill(os.getpid(), signal.SIGTERM)
        words = "ptxas exited with non-zero error code 15, output: "
        raise tf.errors.InternalError(None, None, words)

    key = "train.accumulation_steps"
    smaller = options(data, run, "--set", f"{key}=2", "--allow-config-change", key)
    with monkeypatch.context() as patch:
        patch.setattr(ElectraTrainer, "train", ended)
        electra(*smaller).failed(143, "stopped by SIGTERM at step 0; checkpoint")

    def dead(self: ElectraTrainer, *steps: tf.Tensor) -> None:
        """Whatever is asked of a GPU after such a failure, also for a variable, fails alike."""
        monkeypatch.setattr(ElectraTrainer, "step", dead)
        raise tf.errors.InternalError(
            None, None, "CUDA error: CUDA_ERROR_ILLEGAL_ADDRESS: an illegal memory access\n at x.py"
        )

    monkeypatch.setattr(ElectraTrainer, "train", dead)
    failed = electra(*smaller)
    said = "a kernel failed on the GPU"
    failed.failed(70, f"{said} at step 0: CUDA_ERROR_ILLEGAL_ADDRESS: an illegal memory access")
    last = json.loads((run / "metrics.jsonl").read_text().splitlines()[-1])
    assert (last["kind"], last["step"], last["reason"]) == ("end", 0, said)
