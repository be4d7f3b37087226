from __future__ import annotations

import gc
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import tensorflow as tf
from tensorflow.python.framework import ops

from electra_cli.evaluation.evaluate import evaluate
from electra_cli.runs.named import find_checkpoints
from electra_cli.tasks.traces import gradients_forgotten


class Model:
    """Stands for what a gradient reads."""


def traced() -> tuple[Callable[..., Any], weakref.ref[Model]]:
    """A graph with a custom gradient, and what that keeps alive."""
    model = Model()

    @tf.custom_gradient
    def doubled(x: tf.Tensor) -> Any:
        return 2 * x, lambda upstream, kept=model: 3 * upstream

    function = tf.function(lambda x: doubled(x), autograph=False)
    assert function(tf.constant(1.0)) == 2
    return function, weakref.ref(model)


def test_graphs_go_and_those_of_before_stay() -> None:
    function, stays = traced()
    x = tf.constant(1.0)
    with gradients_forgotten():
        other, goes = traced()
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = other(x)
        assert tape.gradient(y, x) == 3
    assert other(x) == 2
    del other, y, tape
    gc.collect()
    assert goes() is None
    assert stays() is not None
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = function(x)
    assert tape.gradient(y, x) == 3


def test_an_evaluation_leaves_no_gradients(trained: Path) -> None:
    """Or each of many runs would stay in memory as a whole."""
    before = set(ops.gradient_registry.list())
    evaluate(find_checkpoints(trained)[-1:], device="cpu")
    assert set(ops.gradient_registry.list()) == before
