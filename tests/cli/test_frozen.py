"""`generator.frozen`: a generator of another run fills masks and learns nothing."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from electra_cli.config.load import read_config
from electra_cli.runs.commit import read_commit
from electra_cli.runs.run_folder import RunFolder
from electra_cli.training.plan.readiness import checkpoint_bytes
from tests.conftest import Electra, Result, settings

Pretrain = Callable[..., Result]
SIZES = ("generator.sharing=none", "generator.embedding_size=24", "generator.size=0.5")


@pytest.fixture
def pretrain(electra: Electra, data: Path, tmp_path: Path) -> Pretrain:
    def call(name: str, *options: object) -> Result:
        fixed = ["--preset", "tiny", "--data", data, "--steps", 12, "--seed", 5, "--device", "cpu"]
        fixed += ["--model-dir", tmp_path / name, "--json", *settings(*SIZES)]
        return electra("pretrain", *fixed, *options)

    return call


def stored(run: Path, step: int) -> dict[str, np.ndarray]:
    """What a checkpoint holds, by the path of its objects."""
    reader = tf.train.load_checkpoint(str(run / "checkpoints" / f"ckpt-{step}" / "state"))
    return {
        name.removesuffix("/.ATTRIBUTES/VARIABLE_VALUE"): reader.get_tensor(name)
        for name in reader.get_variable_to_shape_map()
        if name.endswith("VARIABLE_VALUE")
    }


@pytest.mark.slow
def test_a_run_keeps_the_weights_and_goes_on_without_the_source(
    pretrain: Pretrain, trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("moved").symlink_to(trained)
    average = ["--set", "optimizer.ema_decay=0.5", "--set", "model.hidden_dropout=0.1"]
    options = ["--set", "generator.frozen=moved", *average]
    first = pretrain("run", *options, "--stop-at-step", 1)
    assert first.code == 0, first.stderr
    assert "generator embeddings" in first.stderr
    assert "begin fresh" not in first.stderr
    parameters = first.json["parameters"]
    before, source = stored(tmp_path / "run", 0), stored(trained, 12)
    frozen = {n for n in before if n.startswith(("model/generator", "model/masked_lm_head"))}
    assert len({n for n in frozen if "OPTIMIZER_SLOT" in n}) == 0
    for name in frozen:
        theirs = name.replace("model/generator_embeddings/", "model/embeddings/")
        np.testing.assert_array_equal(before[name], source[theirs], err_msg=name)
    record = json.loads((tmp_path / "run" / "frozen.json").read_text())
    assert record["path"] == str(tmp_path / "moved" / "checkpoints" / "ckpt-12")
    assert len(record["sha256"]) == 2
    # It goes on where the source is gone, to the last bit as if it had never ended.
    Path("moved").unlink()
    again = pretrain("run", *options, "--stop-at-step", 3)
    assert again.code == 0, again.stderr
    assert "Weights from" not in again.stderr
    after = stored(tmp_path / "run", 3)
    for name in frozen:
        np.testing.assert_array_equal(after[name], before[name], err_msg=name)
    assert (after["model/embeddings/words"] != before["model/embeddings/words"]).any()
    whole = pretrain("whole", "--set", f"generator.frozen={trained}", *average, "--stop-at-step", 3)
    assert whole.json["state_sha256"] == again.json["state_sha256"]
    assert whole.json["parameters"] == parameters
    run = RunFolder(tmp_path / "run")
    assert f"frozen: {tmp_path / 'moved'}" in run.config.read_text()
    size = sum(path.stat().st_size for path in run.checkpoints.glob("ckpt-3/state.data*"))
    # Beside the values a checkpoint says of each object what it is.
    assert 0 < size - checkpoint_bytes(read_config(run.config)) < 40_000
    assert json.loads((tmp_path / "run" / "result.json").read_text())["evaluation"]
    assert read_commit(tmp_path / "run" / "checkpoints" / "ckpt-3").step == 3
    # Another source is another run.
    shutil.copytree(trained, tmp_path / "other")
    refused = pretrain("run", "--set", f"generator.frozen={tmp_path / 'other'}", *average)
    refused.failed(2, "generator.frozen", "was started with another configuration", "moved")
