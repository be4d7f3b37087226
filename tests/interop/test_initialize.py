"""`ElectraPretrainTask.initialize`, from our own checkpoints and from Model Garden's."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
import tf_keras
from official.core import base_trainer
from official.core import config_definitions as cfg
from official.nlp.configs import encoders
from official.nlp.modeling import models
from official.nlp.tasks import electra_task

from electra_cli.errors import DataError, InputMissingError
from electra_cli.interop.garden_encoder import reference_name
from electra_cli.interop.weights import values_of
from electra_cli.optimization.registration import optimization_config
from electra_cli.tasks.electra import ElectraPretrainTask, ElectraTaskConfig
from electra_cli.tasks.model_garden import StaticRecordsTask
from electra_cli.training.devices.strategy import build_strategy, parse_device
from tests.export.runs import small_config
from tests.interop.conftest import assert_same
from tests.tasks.test_static_records import S, V, config, encoder


def pretrainer(kind: str, embedding: int) -> models.ElectraPretrainer:
    """A real ElectraPretrainer whose weights are all random, biases too."""
    params = config(
        generator_encoder=encoder(kind, hidden_size=12, embedding_size=embedding),
        discriminator_encoder=encoder(kind, embedding_size=embedding),
    )
    if kind == "bert":
        model = electra_task.ElectraPretrainTask(params).build_model()
    else:  # their task cannot build it: these encoders have variables only once they are called
        networks = [
            encoders.build_encoder(getattr(params.model, f"{name}_encoder"))
            for name in ("generator", "discriminator")
        ]
        for network in networks:
            network(inputs())
        model = models.ElectraPretrainer(
            *networks, vocab_size=V, num_classes=2, num_token_predictions=4
        )
    rng = np.random.default_rng(3)
    for variable in model.checkpoint_items["encoder"].variables:
        variable.assign(variable + 0.1 * rng.standard_normal(variable.shape))
    return model


def inputs() -> dict[str, tf.Tensor]:
    ids = tf.random.stateless_uniform([3, S], [1, 2], 0, V, tf.int32)
    types = tf.repeat([[0, 1]], S // 2, axis=1) + tf.zeros_like(ids)
    mask = tf.cast(tf.range(S) < [[S], [5], [9]], tf.int32)
    return {"input_word_ids": ids, "input_mask": mask, "input_type_ids": types}


@pytest.mark.parametrize("kind", ["bert", "bert_v2"])
@pytest.mark.parametrize("embedding", [24, 16])  # of a hidden size of 24: without a projection
def test_their_pretrainers_encoder(
    kind: str, embedding: int, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    theirs = pretrainer(kind, embedding)
    checkpoint = tf.train.Checkpoint(**theirs.checkpoint_items)
    prefix = checkpoint.write(str(tmp_path / "ckpt"))
    params = config(
        generator_encoder=encoder(hidden_size=12, embedding_size=embedding),
        discriminator_encoder=encoder(embedding_size=embedding),
    )
    params.init_checkpoint = prefix
    task = StaticRecordsTask(params)
    model = task.build_model()
    before = values_of(model)
    with caplog.at_level(logging.WARNING, "electra_cli"):
        report = task.initialize(model)
    assert report is not None
    fresh = ["generator", "generator head", "next sentence head", "discriminator head"]
    assert report.missing_parts() == fresh
    for name in (*fresh, *report.missing, "pooler_transform/kernel"):
        assert name in caplog.text
    assert all("pooler_transform" in name for name in report.unused)
    after = values_of(model)
    for name in report.missing:
        np.testing.assert_array_equal(after[name], before[name], err_msg=name)
    # Each of theirs, whatever its axes, is in the place its name says.
    network = theirs.checkpoint_items["encoder"]
    for variable in network.variables:
        name = reference_name(variable.name.split(":")[0])
        if name is None:
            continue
        third = next((i for i, p in enumerate(("query", "key", "value")) if f"/{p}/" in name), None)
        found = after[name if third is None else name.replace(name.split("/")[-2], "qkv")]
        found = found if third is None else np.split(found, 3, axis=-1)[third]
        np.testing.assert_array_equal(found.ravel(), variable.numpy().ravel(), err_msg=name)
    # And it computes what theirs computes, up to their GELU, which is an approximation.
    features = inputs()
    expected = network(features)["sequence_output"].numpy()
    segments = {
        "input_mask": features["input_mask"],
        "segment_ids": features["input_type_ids"],
    }
    _, sequence = model.discriminate(features["input_word_ids"], segments)
    real = features["input_mask"].numpy() > 0
    np.testing.assert_allclose(sequence.numpy()[real], expected[real], atol=2e-3)


def test_a_whole_run_of_theirs_and_ambiguous_names(tmp_path: Path) -> None:
    theirs = pretrainer("bert", 24)
    run = tf.train.Checkpoint(model=theirs, **theirs.checkpoint_items)
    params = config()
    params.init_checkpoint = run.write(str(tmp_path / "run"))
    model = StaticRecordsTask(params).build_model()
    assert StaticRecordsTask(params).initialize(model)
    words = theirs.discriminator_network.get_embedding_table().numpy()
    np.testing.assert_array_equal(model.embeddings.words.numpy(), words)
    params.init_checkpoint = tf.train.Checkpoint(model=theirs).write(str(tmp_path / "model"))
    with pytest.raises(DataError, match="several variables called"):
        StaticRecordsTask(params).initialize(model)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"num_attention_heads": 4}, "model.num_attention_heads 2 there, 4 here"),
        ({"num_layers": 1}, "model.num_layers 2 there, 1 here"),
        ({"vocab_size": V + 1}, f"model.vocab_size {V} there, {V + 1} here"),
    ],
)
def test_an_encoder_of_other_sizes(values: dict[str, Any], words: str, tmp_path: Path) -> None:
    checkpoint = tf.train.Checkpoint(**pretrainer("bert", 24).checkpoint_items)
    params = config(
        generator_encoder=encoder(hidden_size=12, embedding_size=24, **values),
        discriminator_encoder=encoder(**values),
    )
    params.init_checkpoint = checkpoint.write(str(tmp_path / "ckpt"))
    task = StaticRecordsTask(params)
    with pytest.raises(DataError, match=words):
        task.initialize(task.build_model())


def trainer_of(init: Path | None, device: str = "cpu", seed: int = 1) -> base_trainer.Trainer:
    """Model Garden's own trainer around our task, as its run_experiment makes one."""
    settings = small_config(24).replaced({"train.seed": seed})
    params = ElectraTaskConfig(
        settings=settings.model_dump(), init_checkpoint=str(init) if init else ""
    )
    trainer = cfg.TrainerConfig(optimizer_config=optimization_config(settings))
    with build_strategy(parse_device(device)).scope():
        task = ElectraPretrainTask(params)
        return base_trainer.Trainer(
            cfg.ExperimentConfig(task=params, trainer=trainer),
            task,
            task.build_model(),
            task.create_optimizer(trainer.optimizer_config),
            train=False,
            evaluate=False,
        )


@pytest.mark.parametrize("device", ["cpu", "cpu:2"])
def test_everything_from_a_run_experiment_and_from_a_run(
    device: str, run_folder: Path, run_values: dict[str, np.ndarray], tmp_path: Path
) -> None:
    first = trainer_of(run_folder, device)
    first.initialize()
    assert_same(values_of(first.model), run_values)
    manager = tf.train.CheckpointManager(first.checkpoint, str(tmp_path), max_to_keep=1)
    manager.save(5)
    second = trainer_of(tmp_path, device, seed=2)
    second.initialize()
    assert_same(values_of(second.model), run_values)
    for variable in second.model.trainable_variables:
        for copy in getattr(variable, "values", [variable]):
            np.testing.assert_array_equal(copy.numpy(), variable.numpy())
    assert int(second.optimizer.iterations.numpy()) == 0


def test_hugging_face(exported: Path, run_values: dict[str, np.ndarray]) -> None:
    trainer = trainer_of(exported)
    trainer.initialize()
    assert_same(values_of(trainer.model), run_values)


def test_nothing_named_loads_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    task = ElectraPretrainTask(ElectraTaskConfig(settings=small_config(24).model_dump()))
    model = task.build_model()
    before = values_of(model)
    assert task.initialize(model) is None
    assert_same(values_of(model), before)


def test_a_path_without_weights_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="holds no weights"):
        trainer_of(tmp_path).initialize()
    with pytest.raises(InputMissingError, match="no weights at"):
        trainer_of(tmp_path / "nothing").initialize()


def test_a_foreign_model(tmp_path: Path) -> None:
    model = tf_keras.Sequential([tf_keras.layers.Dense(2)])
    model(tf.zeros([1, 3]))
    tf.train.Checkpoint(model=model).write(str(tmp_path / "ckpt"))
    with pytest.raises(DataError, match="holds no ELECTRA model"):
        trainer_of(tmp_path).initialize()
