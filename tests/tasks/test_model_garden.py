"""The task under Model Garden's own machinery: run_experiment, metrics lists, compiled models."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
import tf_keras
from official.core import config_definitions as cfg
from official.core import exp_factory, task_factory, train_lib
from official.modeling.privacy.configs import DifferentialPrivacyConfig

from electra_cli.config.sections import ObjectiveConfig
from electra_cli.corpus.shards.manifest import load_manifest
from electra_cli.errors import DataError
from electra_cli.objectives import metrics_of, objective_of
from electra_cli.optimization.average import WeightAverage
from electra_cli.optimization.registration import OptimizationConfig
from electra_cli.optimization.update import learning_rate_of, loss_scaling
from electra_cli.tasks.electra import ElectraPretrainTask
from electra_cli.training.devices.strategy import build_strategy, parse_device
from electra_cli.training.loop.trainer import ElectraTrainer
from electra_cli.training.plan.experiment import compose
from tests.places import ROOT
from tests.training.trainers import configuration

ELECTRA = objective_of(ObjectiveConfig())


def experiment(data: Path, *, steps: int = 8) -> Any:
    manifest = load_manifest(data)
    values = {"model.vocab_size": manifest.vocab.size, "objective.masking": "token"}
    config = configuration(**values, **{"train.steps": 40})
    params = compose(config, manifest, data=data, precision="float32", replicas=1)
    params.trainer.train_steps = steps
    params.trainer.steps_per_loop = params.trainer.summary_interval = 4
    params.trainer.checkpoint_interval = params.trainer.validation_interval = 4
    params.trainer.validation_steps = -1
    return params


def run(
    params: Any, folder: Path, mode: str, device: str = "cpu"
) -> tuple[tf_keras.Model, dict[str, Any]]:
    strategy = build_strategy(parse_device(device))
    with strategy.scope():
        task = task_factory.get_task(params.task, logging_dir=str(folder))
    assert isinstance(task, ElectraPretrainTask)
    model, logs = train_lib.run_experiment(
        strategy, task, mode=mode, params=params, model_dir=str(folder), run_post_eval=True
    )
    return model, dict(logs)


@pytest.mark.slow
def test_run_experiment_trains_evaluates_and_resumes(data: Path, tmp_path: Path) -> None:
    """First on two replicas, then on one."""
    _, first = run(experiment(data, steps=8), tmp_path, "train_and_eval", device="cpu:2")
    assert {*metrics_of([ELECTRA], detail=True)} <= set(first)
    assert tf.train.latest_checkpoint(str(tmp_path)).endswith("ckpt-8")
    _, single = run(experiment(data, steps=8), tmp_path, "eval")
    for name in ELECTRA.metrics:
        assert first[name] == pytest.approx(single[name], rel=1e-4, nan_ok=True), name
    _, second = run(experiment(data, steps=16), tmp_path, "train_and_eval")
    assert tf.train.latest_checkpoint(str(tmp_path)).endswith("ckpt-16")
    assert second["masked_lm_loss"] < first["masked_lm_loss"]


@pytest.mark.parametrize("kind", ["adamw", "lamb", "sgd", "electra_adamw"])
@pytest.mark.parametrize("precision", [None, "float16"])
def test_optimizers_by_name_also_behind_a_loss_scale(kind: str, precision: str | None) -> None:
    params = OptimizationConfig(
        {
            "optimizer": {"type": kind},
            "ema": {"average_decay": 0.9},
            "learning_rate": {
                "type": "electra",
                "electra": {"initial_learning_rate": 0.1, "steps": 10, "warmup_steps": 2},
            },
        }
    )
    runtime = cfg.RuntimeConfig(mixed_precision_dtype=precision)
    optimizer = ElectraPretrainTask.create_optimizer(params, runtime)
    assert isinstance(optimizer, WeightAverage)
    assert (loss_scaling(optimizer) is not None) == (precision == "float16")
    assert float(learning_rate_of(optimizer)) == pytest.approx(
        0.1 * 0.9 * 0.5 if kind == "electra_adamw" else 0.0
    )


@pytest.mark.filterwarnings("ignore:.*deprecated")  # of Model Garden's transformations
def test_differential_privacy_clips_and_adds_noise() -> None:
    params = OptimizationConfig(
        {
            "optimizer": {"type": "sgd"},
            "learning_rate": {"type": "constant", "constant": {"learning_rate": 1.0}},
        }
    )

    def moved(noise: float) -> np.ndarray:
        privacy = DifferentialPrivacyConfig(clipping_norm=0.5, noise_multiplier=noise)
        optimizer = ElectraPretrainTask.create_optimizer(params, dp_config=privacy)
        variable = tf.Variable(tf.zeros([4000]))
        optimizer.apply_gradients([(tf.ones([4000]), variable)])
        return variable.numpy()

    assert np.linalg.norm(moved(0.0)) == pytest.approx(0.5, rel=1e-4)
    assert moved(2.0).std() == pytest.approx(1.0, rel=0.1)


def test_metrics_depend_neither_on_the_batch_nor_on_replicas(data: Path) -> None:
    found = []
    for device, batch in (("cpu", 64), ("cpu", 1), ("cpu:2", 7)):
        params = experiment(data)
        params.task.validation_data.global_batch_size = batch
        with build_strategy(parse_device(device)).scope():
            task = ElectraPretrainTask(params.task)
            optimizer = task.create_optimizer(params.trainer.optimizer_config)
            trainer = ElectraTrainer(params, task, task.build_model(), optimizer, train=False)
        found.append(dict(trainer.evaluate(tf.constant(-1))))
    for other in found[1:]:
        assert other == pytest.approx(found[0], rel=1e-6, nan_ok=True)


def test_ids_outside_the_vocabulary(parts: Any) -> None:
    task, _, model, _ = parts
    rows = tf.constant([[2, 600, *[7] * 29, 3]])
    batch = {"input_ids": rows, "example_index": [0], "step": [0]}
    step = tf.function(
        lambda ids: task.validation_step(batch | {"input_ids": ids}, model), autograph=False
    )
    for ids in (rows, tf.where(rows == 600, -1, rows)):
        with pytest.raises(tf.errors.InvalidArgumentError, match=r"input_ids must be .* below 600"):
            step(ids)


@pytest.mark.parametrize(
    ("key", "changed", "words"),
    [
        ("masked_lm_ids", lambda value: value + 600, "masked_lm_ids must be .* below 600"),
        ("masked_lm_ids", lambda value: value - 600, "masked_lm_ids must be .* below 600"),
        ("masked_lm_positions", lambda value: value + 32, "masked_lm_positions must .* below 32"),
    ],
)
def test_labels_outside_their_range(parts: Any, key: str, changed: Any, words: str) -> None:
    task, _, _, features = parts
    with pytest.raises(tf.errors.InvalidArgumentError, match=words):
        task._features(features | {key: changed(features[key])}, training=True)


def test_inference_on_a_batch_as_it_is_read(parts: Any) -> None:
    task, params, model, features = parts
    inputs = next(iter(task.build_inputs(params.task.validation_data)))
    found, expected = task.inference_step(inputs, model), task.inference_step(features, model)
    np.testing.assert_array_equal(found["disc_logits"], expected["disc_logits"])


def test_labels_of_64_bits(parts: Any) -> None:
    task, _, model, features = parts
    outputs = model(features)
    wide = features | {
        key: tf.cast(features[key], tf.int64) for key in ("masked_lm_ids", "input_mask")
    }
    assert float(task.build_losses(wide, outputs)) == float(task.build_losses(features, outputs))
    metrics = task.build_metrics()
    task.process_metrics(metrics, wide, outputs)
    assert float(metrics[0].result()) > 0


def test_registered_as_an_experiment() -> None:
    params = exp_factory.get_exp_config("electra_cli/pretrain")
    assert task_factory.get_task_cls(type(params.task)) is ElectraPretrainTask


def test_the_sample_of_the_guide() -> None:
    guide = ROOT / "docs" / "guide" / "model-garden.md"
    blocks = re.findall(r"```python\n(.*?)```", guide.read_text(), re.DOTALL)
    (sample,) = (block for block in blocks if "exp_factory" in block)
    code = f"{sample}\nprint(params.trainer.optimizer_config.as_dict())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    chosen = ast.literal_eval(done.stdout)
    assert chosen["optimizer"]["electra_adamw"]["weight_decay"] == 0.02
    assert chosen["learning_rate"]["electra"]["steps"] == 5000


@pytest.fixture(scope="module")
def parts(data: Path) -> tuple[ElectraPretrainTask, Any, tf_keras.Model, dict[str, tf.Tensor]]:
    params = experiment(data)
    task = ElectraPretrainTask(params.task)
    model = task.build_model()
    inputs = next(iter(task.build_inputs(params.task.validation_data)))
    return task, params, model, task._features(inputs, training=False)


def test_metrics_lists_are_filled(parts: Any) -> None:
    task, params, model, features = parts
    metrics = task.build_metrics(training=True)
    optimizer = task.create_optimizer(params.trainer.optimizer_config)
    train = tf.function(
        lambda batch: task.train_step(batch, model, optimizer, metrics), autograph=False
    )
    logs = train(features)
    found = {metric.name: float(metric.result()) for metric in metrics}
    assert found["total_loss"] == pytest.approx(float(logs[task.loss]), rel=1e-5)
    assert found["masked_lm_loss"] == pytest.approx(float(logs["masked_lm_loss"]), rel=1e-5)
    assert 0 < found["replaced_rate"] < 0.2


def test_a_compiled_model(parts: Any) -> None:
    task, _, _, features = parts
    model = task.build_model()
    accuracy = tf_keras.metrics.SparseCategoricalAccuracy(name="accuracy")
    auc = tf_keras.metrics.AUC(from_logits=True, name="auc")
    model.compile(weighted_metrics={"masked_lm_logits": [accuracy], "disc_logits": [auc]})
    logs = task.validation_step(features, model)
    assert float(logs[task.loss]) > 0
    assert float(accuracy.count) == float(tf.reduce_sum(features["masked_lm_weights"]))
    assert 0 < float(auc.result()) < 1


@pytest.mark.parametrize(
    ("key", "broken", "words"),
    [
        ("input_mask", None, "the batch has no input_mask"),
        ("input_mask", lambda value: value[:, 1:], r"input_mask must be \[\d+, 32\].*\[\d+, 31\]"),
        ("masked_lm_ids", lambda value: value[:1], "masked_lm_ids must be"),
        ("masked_lm_ids", lambda value: tf.cast(value, tf.float32), "integers.*float32"),
        ("masked_lm_weights", None, "the batch has no masked_lm_weights"),
        ("masked_lm_weights", tf.strings.as_string, "masked_lm_weights must be numbers.*string"),
    ],
)
def test_wrong_labels(parts: Any, key: str, broken: Any, words: str) -> None:
    task, _, model, features = parts
    outputs = model(features)
    labels = dict(features)
    value = labels.pop(key)
    if broken is not None:
        labels[key] = broken(value)
    with pytest.raises(DataError, match=words):
        task.build_losses(labels, outputs)
    with pytest.raises(DataError, match=words):
        task.process_metrics(task.build_metrics(), labels, outputs)
