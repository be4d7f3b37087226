"""Layers that are computed again, and attention within documents, in whole training steps."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from electra_cli.errors import DataError
from electra_cli.evaluation.plan import data_of
from electra_cli.runs.named import find_checkpoints
from electra_cli.runs.run_folder import Checkpoint
from electra_cli.training.loop.trainer import ElectraTrainer
from tests.conftest import Electra, settings
from tests.training.test_exact_resume import resume, save
from tests.training.trainers import build, state, train

WITHIN = {"model.document_attention": True}
AGAIN = {"model.gradient_checkpointing": True}


def built(data: Path, **options: Any) -> ElectraTrainer:
    dropout = {"model.hidden_dropout": 0.2, "model.attention_dropout": 0.2}
    rates = {"optimizer.warmup_steps": 0, "train.steps": 100}
    return build(data, **dropout | rates | WITHIN | options)


@pytest.mark.slow
def test_layers_that_are_computed_again_teach_the_same(full: Path, tmp_path: Path) -> None:
    """To the last bit, over lanes and parts of a batch, and where a run goes on."""
    parts: dict[str, Any] = {"lanes": 2, "train.accumulation_steps": 2}
    kept, again = built(full, **parts), built(full, **parts | AGAIN)
    initial = state(kept)
    train(kept, 2)
    train(again, 1)
    save(again, tmp_path / "run")
    train(again, 1)
    resume(again, tmp_path / "run", 1)
    train(again, 1)
    found, expected = state(again), state(kept)
    for name, value in expected.items():
        np.testing.assert_array_equal(found[name], value, err_msg=name)
        assert (value != initial[name]).any()
    batch = next(iter(kept.train_dataset))
    features = kept.task._features(batch, training=True)
    separators = (features["input_ids"].numpy() == kept.task._special_ids["sep"]).cumsum(axis=1)
    np.testing.assert_array_equal(features["document_ids"][:, 1:], separators[:, :-1])


def test_rows_of_one_document_are_refused(
    electra: Electra, data: Path, trained: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = settings("model.document_attention=true")
    command = ("pretrain", "--preset", "tiny", "--data", data, "--dry-run", "--json")
    electra(*command, *asked).failed(
        65, "prepared with --packing reference", "--packing full", "document_attention=false"
    )
    (checkpoint,) = find_checkpoints(trained)
    config = checkpoint.config().replaced(WITHIN)
    monkeypatch.setattr(Checkpoint, "config", lambda self: config)
    with pytest.raises(DataError, match="prepared with --packing reference"):
        data_of(checkpoint, data)
