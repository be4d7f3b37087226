"""Steps of a batch that is divided into lanes or among replicas, and compiled or not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
import tf_keras

from electra_cli.modeling.dropout import Dropout
from electra_cli.optimization.adamw import ElectraAdamW
from electra_cli.optimization.average import WeightAverage
from electra_cli.optimization.update import create_slots, innermost, loss_scaling
from electra_cli.tasks.step import StepSettings, outputs_of_lanes, step_of_batch
from electra_cli.training.devices.strategy import build_strategy, parse_device


@pytest.mark.parametrize("rows", [4, None])
def test_lanes_take_a_batch_whose_size_is_not_known(rows: int | None) -> None:
    """Workers on several machines do not know the size of each batch of an evaluation."""

    @tf.function(input_signature=[tf.TensorSpec([rows, 2])], autograph=False)
    def outputs(values: tf.Tensor) -> tf.Tensor:
        return outputs_of_lanes(lambda part: {"twice": 2 * part["x"]}, {"x": values}, 2)["twice"]

    values = tf.reshape(tf.range(8.0), [4, 2])
    assert (outputs(values).numpy() == 2 * values.numpy()).all()


# A batch each: factors of the weights, and of a root whose gradient is no number where it is 0.
GOOD, BAD_LOSS, BAD_GRADIENT = ([1.0, 2.0], 1.0), ([np.nan, 2.0], 1.0), ([1.0, 2.0], 0.0)
BATCHES = [GOOD, BAD_LOSS, GOOD, BAD_GRADIENT, GOOD]


def steps(device: str, *, xla: bool, wrapped: bool) -> list[dict[str, np.ndarray]]:
    """What a small optimization holds after each batch, its logs included."""
    strategy = build_strategy(parse_device(device))
    replicas = strategy.num_replicas_in_sync
    with strategy.scope():
        layers = [
            tf_keras.layers.Input([2]),
            tf_keras.layers.Dense(3, kernel_initializer="ones", name="layer"),
        ]
        model = tf_keras.Sequential(layers)
        optimizer: Any = ElectraAdamW(0.1)
        if wrapped:
            optimizer = tf_keras.mixed_precision.LossScaleOptimizer(optimizer, initial_scale=8)
            optimizer = WeightAverage(optimizer, average_decay=0.5)
            optimizer.shadow_copy(model)
        create_slots(optimizer, model.trainable_variables)

    def losses(batch: Mapping[str, tf.Tensor], dropout: Dropout) -> dict[str, tf.Tensor]:
        made = tf.reduce_sum(tf.square(model(batch["x"]))) / 4
        root = tf.reduce_sum(tf.sqrt(batch["factor"] * tf.square(model.weights[0][0, 0]))) / 2
        return {"total": made + root, "root": root}

    def of_replica(batch: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        return step_of_batch(
            batch,
            losses,
            total="total",
            names=("total", "root"),
            model=model,
            optimizer=optimizer,
            seed=tf.constant(0),
            step=tf.constant(0),
            settings=StepSettings(parts=1, lanes=1, xla=xla, clip_norm=1.0),
        )

    run = tf.function(lambda batch: strategy.run(of_replica, args=(batch,)), autograph=False)
    weights, found = model.trainable_variables, []
    for row, factor in BATCHES:
        whole = {"x": np.array([row, row[::-1]], np.float32), "factor": np.full(2, factor, "f")}

        def share(context: Any, whole: Any = whole) -> dict[str, tf.Tensor]:
            number, size = context.replica_id_in_sync_group, 2 // replicas
            return {
                k: tf.constant(v[number * size : (number + 1) * size]) for k, v in whole.items()
            }

        logs = run(strategy.experimental_distribute_values_from_function(share))
        copies = [strategy.experimental_local_results(log) for log in logs.values()]
        assert all(len({copy.numpy().tobytes() for copy in of_log}) == 1 for of_log in copies)
        state = {f"log {name}": of_log[0] for name, of_log in zip(logs, copies, strict=True)}
        inner, scaling = innermost(optimizer), loss_scaling(optimizer)
        state |= {"iterations": inner.iterations} | {v.name: v for v in weights}
        state |= {f"{v.name} {slot}": inner.get_slot(v, slot) for v in weights for slot in "mv"}
        if scaling is not None:
            state |= {f"{v.name} average": optimizer.get_slot(v, "average") for v in weights}
            state |= {"scale": scaling._loss_scale.current_loss_scale}
            state |= {"good steps": scaling._loss_scale.counter}
        for name, value in state.items():
            for copy in strategy.experimental_local_results(value):
                np.testing.assert_array_equal(copy.numpy(), value.numpy(), err_msg=name)
        found.append({name: value.numpy() for name, value in state.items()})
    return found


@pytest.mark.slow
@pytest.mark.parametrize("wrapped", [False, True])
def test_an_update_is_the_same_compiled_and_on_several_replicas(wrapped: bool) -> None:
    expected = steps("cpu", xla=False, wrapped=wrapped)
    for before, after, batch in zip(expected, expected[1:], BATCHES[1:], strict=False):
        assert after["iterations"] == before["iterations"] + 1
        assert bool(after["log applied"]) == (batch == GOOD)
    for device in ("cpu", "cpu:2"):
        found = steps(device, xla=True, wrapped=wrapped)
        for number, (ours, theirs) in enumerate(zip(found, expected, strict=True)):
            assert ours.keys() == theirs.keys()
            for name, value in theirs.items():
                told = f"{device} {number} {name}"
                np.testing.assert_allclose(ours[name], value, rtol=1e-5, err_msg=told)
            if BATCHES[number] != GOOD:  # nothing has changed, to the bit
                kept = [name for name in ours if name.startswith("layer")]
                assert all((ours[name] == found[number - 1][name]).all() for name in kept)
