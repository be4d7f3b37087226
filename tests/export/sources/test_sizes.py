"""The sizes of the paper export and load, with random weights."""

from __future__ import annotations

from pathlib import Path

import pytest
import tensorflow as tf

from electra_cli.config.load import dump_config, load_config
from electra_cli.export.run import export
from electra_cli.modeling.architecture import Architecture
from electra_cli.modeling.electra import ElectraModel
from tests.export.runs import write_run


# large takes 1.4 GB for each copy of its weights, and is tried by hand.
@pytest.mark.parametrize("preset", ["small", pytest.param("base", marks=pytest.mark.slow)])
def test_a_preset_exports_and_loads(preset: str, tmp_path: Path) -> None:
    """`export` loads both networks in transformers, and fails on any key or logit that differs."""
    run = write_run(tmp_path / "run")
    config = load_config(preset=preset, environment={}).config
    config = config.replaced({"model.vocab_size": 200, "data.sequence_length": 16})
    (run / "config.yaml").write_text(dump_config(config), encoding="utf-8")
    model = ElectraModel(Architecture.of(config))
    (prefix,) = (run / "checkpoints").glob("ckpt-*.index")
    tf.train.Checkpoint(model=model).write(str(prefix.with_suffix("")))
    exported = export(checkpoint=run, format="huggingface", output=tmp_path / "out")
    assert exported.parity.method == "transformers"
    assert exported.parity.max_abs_difference <= exported.parity.bound
