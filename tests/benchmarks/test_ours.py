"""What the benchmark of a GPU asks of TensorFlow, on a CPU."""

from __future__ import annotations

from pathlib import Path

import pytest
from gpu_parts.ours import Ours
from gpu_parts.sizes import Size, job_of
from synthetic import write_prepared

SMALL = Size(
    "tiny",
    16,
    4,
    (
        "model.num_layers=1",
        "model.hidden_size=32",
        "model.num_attention_heads=2",
        "model.intermediate_size=64",
        "generator.size=0.5",
    ),
)


@pytest.mark.slow
def test_a_step_over_one_batch_is_timed_and_its_kernels_are_known(tmp_path: Path) -> None:
    write_prepared(tmp_path / "rows", length=16, rows=16)
    ours = Ours("cpu")
    data = str(tmp_path / "rows")
    made = ours.prepare("small", job_of(SMALL.config), data, "float32")
    assert made["early_loss"] == pytest.approx(45, rel=0.2)  # ln V + 50 ln 2
    assert made["compile_seconds"] > 0
    ran = ours.run("small", 3)
    assert ran["seconds"] > 0
    assert ran["memory_bytes"] > 0
    assert ours.holds("small")
    # 2 to prepare, 3 here: the loop is the one that trains.
    assert ours._held["small"][0].trainer.step() == 5

    found = ours.profile("small", 2)
    shares = found["shares"]
    assert sum(shares.values()) >= 1 - 1e-9  # threads of a CPU work at the same time
    assert found["known"] == 1.0
    # The vocabulary is most of so small a model, in the loss and in the update.
    assert shares["softmax-loss"] > 0
    assert shares["optimizer"] > 0
    assert shares["attention"] > 0
    assert {kernel["purpose"] for kernel in found["kernels"]} >= {"softmax-loss", "optimizer"}
