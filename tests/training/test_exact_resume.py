"""The state after N steps is the same wherever a run was stopped, to the last bit.

One trainer stands for many processes here: all of its state is replaced by that of a checkpoint,
and its input begins anew. `test_processes.py` does the same with processes.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orbit
import pytest
import tensorflow as tf
from official.modeling import performance

from electra_cli.corpus.manifest import load_manifest
from electra_cli.training.commit import read_commit
from electra_cli.training.run_folder import RunFolder
from electra_cli.training.saving import CheckpointSaver, Keep
from electra_cli.training.trainer import ElectraTrainer
from tests.training.test_update import build, train

STEPS = 7
IDENTITY: dict[str, Any] = {"config_sha256": "", "vocab_sha256": "", "sizes": {}}


@pytest.fixture(autouse=True)
def float32_afterwards() -> Iterator[None]:
    yield
    performance.set_mixed_precision_policy("float32")


def save(trainer: ElectraTrainer, folder: Path) -> str:
    """Saves under the trainer's step and returns the hash of the state."""
    folder.mkdir(exist_ok=True)
    saver = CheckpointSaver(trainer.checkpoint, RunFolder(folder), IDENTITY, Keep(99), 0)
    return read_commit(saver.save(int(trainer.global_step.numpy()))).state_sha256


def resume(trainer: ElectraTrainer, folder: Path, step: int) -> None:
    """What `electra pretrain` does with a checkpoint; before, all weights are something else."""
    for variable in trainer.model.trainable_variables:
        variable.assign(tf.zeros_like(variable))
    trainer.global_step.assign(-1)
    prefix = folder / "checkpoints" / f"ckpt-{step}" / "state"
    trainer.checkpoint.read(str(prefix)).assert_existing_objects_matched()
    params = trainer.config.task.train_data.replace(start_step=step)
    trainer.train_dataset = orbit.utils.make_distributed_dataset(
        trainer.strategy, trainer.task.build_inputs, params
    )


@pytest.mark.parametrize(
    ("precision", "average", "parts", "device"),
    [  # each value with each value of the others
        ("float32", False, 1, "cpu"),
        ("float32", True, 2, "cpu:2"),
        ("bfloat16", True, 1, "cpu:2"),
        ("bfloat16", False, 2, "cpu"),
        ("float16", True, 2, "cpu"),
        ("float16", False, 1, "cpu:2"),
    ],
)
def test_stopped_at_every_step(
    data: Path, tmp_path: Path, precision: str, average: bool, parts: int, device: str
) -> None:
    examples = load_manifest(data).examples
    batch = examples // 5 // 4 * 4  # so that an epoch ends inside of the fifth or sixth step
    assert STEPS * batch > examples > 4 * batch
    trainer = build(
        data,
        precision=precision,
        average=average,
        parts=parts,
        device=device,
        **{"train.batch_size": batch, "model.hidden_dropout": 0.1, "model.attention_dropout": 0.1},
    )
    whole = tmp_path / "whole"
    hashes = [save(trainer, whole)]
    for _ in range(STEPS):
        train(trainer, 1)
        hashes.append(save(trainer, whole))
    assert len(set(hashes)) == STEPS + 1
    for stop in range(STEPS):
        resume(trainer, whole, stop)
        train(trainer, STEPS - stop)  # as one loop
        assert save(trainer, tmp_path / f"from-{stop}") == hashes[STEPS], stop
    # Three resumes, one inside of the second epoch, with an evaluation in between.
    again = tmp_path / "again"
    resume(trainer, whole, 0)
    for here, there in ((0, 2), (2, 3), (3, 6), (6, STEPS)):
        train(trainer, there - here)
        trainer.evaluate(tf.constant(-1))
        assert save(trainer, again) == hashes[there]
        resume(trainer, again, there)
