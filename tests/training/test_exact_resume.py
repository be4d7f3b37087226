"""The state after N steps is the same wherever a run was stopped, to the last bit.

It is tried with each value of precision, average, accumulation and replicas; the table of
docs/guide/pretrain.md has a row for each combination. Each objective, sharing and recipe is in one,
with most others. A bad step, and what an evaluation sees of an average, are tried on the same
trainers.

One trainer stands for many processes here: all of its state is replaced by that of a checkpoint,
and its input begins anew. `test_processes.py` does the same with processes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import orbit
import pytest
import tensorflow as tf
from official.modeling import performance

from electra_cli.config.rules.batches import batch_at
from electra_cli.corpus.shards.manifest import load_manifest
from electra_cli.optimization.average import WeightAverage
from electra_cli.runs.commit import read_commit
from electra_cli.runs.run_folder import RunFolder
from electra_cli.training.checkpoints.keeping import Keep
from electra_cli.training.checkpoints.saver import CheckpointSaver
from electra_cli.training.loop.trainer import ElectraTrainer
from tests.training.trainers import build, state, train

pytestmark = pytest.mark.slow

STEPS = 7
IDENTITY: dict[str, Any] = {"config_sha256": "", "vocab_sha256": "", "sizes": {}}
# What else is tried, with each other as far as they may be together: `test_branch.py` has tables
# apart with a batch ramp. A schedule of the learning rate has no state, so one of each is enough.
LESS_MEMORY = {"model.gradient_checkpointing": True}
WITHIN = {"model.document_attention": True, **LESS_MEMORY}
RAMP = {"train.batch_schedule": "{half}:{batch}"}
FEWER_LAYERS = {"model.num_layers": 2, "generator.layers": 0.5}
EVERYTHING = {
    "objective.temperature": 3.0,
    "objective.temperature_decay_steps": 3,
    "objective.disallow_correct": True,
    **WITHIN,
}
ELECTRIC: dict[str, Any] = {
    "objective.name": "electric",
    "objective.masking": "token",
    "optimizer.schedule": "wsd",
    "optimizer.decay_steps": 100,
    **FEWER_LAYERS,
    **LESS_MEMORY,
    **RAMP,
}
DISENTANGLED = {
    "generator.sharing": "disentangled",
    "optimizer.schedule": "cosine",
    **EVERYTHING,
    **RAMP,
}
APART = {
    "generator.sharing": "none",
    "optimizer.schedule": "wsd",
    "optimizer.decay_shape": "1-sqrt",
    "optimizer.decay_steps": 100,
    **EVERYTHING,
}
FROZEN = {
    "generator.sharing": "none",
    "generator.embedding_size": 24,
    "generator.frozen": "here its weights are those of the seed",
    "optimizer.schedule": "linear",
    **EVERYTHING,
    **FEWER_LAYERS,
    **RAMP,
}
CHANCE = {
    "objective.uniform_generator": True,
    "objective.disallow_correct": True,
    "optimizer.schedule": "constant",
    **WITHIN,
    **RAMP,
}
ONE = {"generator.sharing": "all", "generator.size": 1.0, **EVERYTHING, **RAMP}
COMBINATIONS = [  # each value with each value of the first others, which takes six of the 24
    ("float32", False, 1, "cpu", ELECTRIC),
    ("float32", True, 2, "cpu:2", DISENTANGLED),
    ("bfloat16", True, 1, "cpu:2", APART),
    ("bfloat16", False, 2, "cpu", FROZEN),
    ("float16", True, 2, "cpu", CHANCE),
    ("float16", False, 1, "cpu:2", ONE),
]


@dataclass(frozen=True)
class Built:
    """A trainer of one combination, and its state after no step.

    Attributes:
      trainer: Its epochs end inside of the fifth or sixth step.
      precision: Of the combination.
      whole: The folder of the checkpoints of a run that nothing stops.
      initial: The hash of its first state.
    """

    trainer: ElectraTrainer
    precision: str
    whole: Path
    initial: str


@pytest.fixture(
    scope="module", params=COMBINATIONS, ids=lambda values: "-".join(map(str, values[:4]))
)
def built(
    request: pytest.FixtureRequest,
    data: Path,
    full: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Built]:
    precision, average, parts, device, recipe = request.param
    data = full if recipe.get("model.document_attention") else data
    examples = load_manifest(data).examples
    batch = examples // 5 // 4 * 4
    assert STEPS * batch > examples > 4 * batch
    dropout = {"model.hidden_dropout": 0.1, "model.attention_dropout": 0.1}
    values = {
        "train.batch_size": batch,
        "train.accumulation_steps": parts,
        "train.steps": 1000,
        "optimizer.ema_decay": 0.5 if average else 0.0,
        "optimizer.warmup_steps": 0,
        "optimizer.learning_rate": 2e-3,
        **recipe,
    }
    if (sizes := recipe.get("train.batch_schedule")) is not None:
        values["train.batch_schedule"] = sizes.format(half=batch // 8 * 4, batch=batch)
    trainer = build(data, precision=precision, device=device, **values | dropout)
    whole = tmp_path_factory.mktemp("combination") / "whole"
    yield Built(trainer, precision, whole, save(trainer, whole))
    performance.set_mixed_precision_policy("float32")


def save(trainer: ElectraTrainer, folder: Path) -> str:
    """Saves under the trainer's step and returns the hash of the state."""
    folder.mkdir(exist_ok=True)
    saver = CheckpointSaver(trainer.checkpoint, RunFolder(folder), IDENTITY, Keep(99), 0)
    saver.prepare()
    return read_commit(saver.save(int(trainer.global_step.numpy()))).state_sha256


def resume(trainer: ElectraTrainer, folder: Path, step: int) -> None:
    """What `electra pretrain` does with a checkpoint; before, all weights are something else."""
    for variable in trainer.model.weights:
        variable.assign(tf.zeros_like(variable))
    trainer.global_step.assign(-1)
    prefix = folder / "checkpoints" / f"ckpt-{step}" / "state"
    trainer.checkpoint.read(str(prefix)).assert_existing_objects_matched()
    trainer.restart()
    rows = batch_at(trainer.task._settings.train, step)
    params = trainer.config.task.train_data.replace(start_step=step, global_batch_size=rows)
    trainer.train_dataset = orbit.utils.make_distributed_dataset(
        trainer.strategy, trainer.task.build_inputs, params
    )


def test_one_trainer(built: Built, tmp_path: Path) -> None:
    """In one test, so that no two processes build the same trainer."""
    stopped_at_every_step(built, tmp_path)
    if isinstance(built.trainer.optimizer, WeightAverage):
        evaluation_sees_the_average(built.trainer)
    learns_and_survives_a_bad_step(built)


def stopped_at_every_step(built: Built, tmp_path: Path) -> None:
    trainer, whole = built.trainer, built.whole
    hashes = [built.initial]
    for _ in range(STEPS):
        train(trainer, 1)
        hashes.append(save(trainer, whole))
    assert len(set(hashes)) == STEPS + 1
    # Each step by itself, saved after an evaluation: what every stop adds to is the same.
    again = tmp_path / "again"
    resume(trainer, whole, 0)
    for step in range(STEPS):
        train(trainer, 1)
        trainer.held_out_metrics()
        assert save(trainer, again) == hashes[step + 1], step
        resume(trainer, again, step + 1)
    for stop in (0, 3):  # as one loop, from before and from within the epoch
        resume(trainer, whole, stop)
        train(trainer, STEPS - stop)
        assert save(trainer, tmp_path / f"from-{stop}") == hashes[STEPS], stop


def evaluation_sees_the_average(trainer: ElectraTrainer) -> None:
    evaluated, before = trainer.held_out_metrics(), state(trainer)
    for variable in trainer.model.trainable_variables:
        variable.assign(before[f"{variable.name} average"])
        trainer.optimizer.get_slot(variable, "average").assign(before[variable.name])
    assert trainer.held_out_metrics()["total_loss"] != evaluated["total_loss"]
    trainer.optimizer.swap_weights()
    assert trainer.held_out_metrics() == pytest.approx(evaluated, rel=0, abs=0, nan_ok=True)


def learns_and_survives_a_bad_step(built: Built) -> None:
    trainer = built.trainer
    resume(trainer, built.whole, 0)
    begun = state(trainer)
    first = train(trainer, 1)
    last = train(trainer, 11)
    has_learning_generator = trainer.model.architecture.learning.generator is not None
    learned = "masked_lm_loss" if has_learning_generator else "disc_loss"
    assert last[learned] < first[learned] - (0.3 if learned == "masked_lm_loss" else 0)
    assert last["skipped_steps"] == 0
    before = state(trainer)
    # Every variable has a gradient, and so has its average.
    assert not [name for name, value in before.items() if (value == begun[name]).all()]

    # One weight that no number can come out of, for three steps.
    poisoned = trainer.model.replaced_token_head.output.bias
    good = poisoned.numpy()
    for bad, value in enumerate((np.nan, np.inf, -np.inf), start=1):
        poisoned.assign(good + value)
        logs = train(trainer, 1)
        assert (logs["skipped_steps"], logs["skipped_in_a_row"]) == (bad, bad)
        assert not np.isfinite(logs["total_loss"])
    poisoned.assign(good)
    after = state(trainer)
    for name, value in before.items():
        np.testing.assert_array_equal(after[name], value, err_msg=name)
    assert int(trainer.global_step.numpy()) == int(trainer.optimizer.iterations.numpy()) == 15

    logs = train(trainer, 1)
    assert (logs["skipped_steps"], logs["skipped_in_a_row"]) == (3, 0)
    if built.precision != "float16":  # whose scale may overflow once more
        assert any((state(trainer)[name] != value).any() for name, value in before.items())
