"""One update from one global batch, whatever is learned: replicas, parts and lanes of it."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import tensorflow as tf
import tf_keras

from electra_cli.modeling.dropout import Dropout
from electra_cli.modeling.fused import plain_operations
from electra_cli.optimization.accumulation import accumulate, side_by_side, sum_of_lanes
from electra_cli.optimization.update import loss_scaling, update

Batch = Mapping[str, tf.Tensor]


@dataclass(frozen=True)
class StepSettings:
    """How a batch is computed.

    Attributes:
      parts: Accumulation steps.
      lanes: Parts of a micro-batch that run side by side on the cores of a CPU.
      xla: Compile what lies between the places where replicas meet.
      clip_norm: The largest global gradient norm.
    """

    parts: int
    lanes: int
    xla: bool
    clip_norm: float


def step_of_batch(
    features: Batch,
    losses: Callable[[Batch, Dropout], dict[str, tf.Tensor]],
    *,
    total: str,
    names: tuple[str, ...],
    model: tf_keras.Model,
    optimizer: Any,
    seed: tf.Tensor,
    step: tf.Tensor,
    settings: StepSettings,
) -> dict[str, tf.Tensor]:
    """Updates the weights once.

    The gradients of replicas and micro-batches are sums over their parts of the global loss;
    clipping sees the gradient of the global batch. A step whose loss or gradient is not finite
    changes no weight, slot or average, and counts as a step.

    Args:
      features: This replica's share of the batch.
      losses: The losses of a part of it with the masks of a pass, each its share of the global
        batch's.
      total: Name of the one whose gradient is taken.
      names: Of all losses.
      model: What is trained.
      optimizer: Any optimizer; a loss-scale optimizer for float16.
      seed: Of dropout, scalar integer.
      step: The number of the step, scalar integer.
      settings: How it is computed.

    Returns:
      Scalars of the global batch, the same on every replica: the losses, and what
      `optimization.update.update` returns.
    """
    scaling, variables = loss_scaling(optimizer), model.trainable_variables

    def forward_backward(
        part: tf.Tensor, lane: tf.Tensor, batch: Batch
    ) -> tuple[list[tf.Tensor], dict[str, tf.Tensor]]:
        # Which of all equal shares of the batch this is. A single replica has so many of them in
        # each of its parts as there are replicas here, and the masks are those that it has there.
        number, replicas = replica_id() * settings.parts + tf.cast(part, tf.int64), replica_count()
        share = number % replicas * settings.lanes + tf.cast(lane, tf.int64)
        dropout = Dropout(seed, step, number // replicas, share)
        with tf.GradientTape() as tape:
            found = losses(batch, dropout)
            loss = found[total]
            scaled = loss if scaling is None else scaling.get_scaled_loss(loss)
        # Slices of the word table become dense: its norm must count each row once.
        return [tf.convert_to_tensor(g) for g in tape.gradient(scaled, variables)], found

    # Several replicas meet once, with one vector for everything.
    packs = settings.xla and replica_count() > 1
    shapes = [*(variable.shape for variable in variables), *(tf.TensorShape([]) for _ in names)]

    def gradient_step(batch: Batch) -> Any:
        of_part = functools.partial(sum_of_lanes, forward_backward, lanes=settings.lanes)
        gradients, found = accumulate(of_part, batch, settings.parts, variables, names)
        sums = [*gradients, *(found[name] for name in names)]
        return tf.concat([tf.reshape(part, [-1]) for part in sums], axis=0) if packs else sums

    def update_step(sums: Any) -> dict[str, tf.Tensor]:
        if packs:
            parts = tf.split(sums, [shape.num_elements() for shape in shapes])
            sums = [tf.reshape(part, shape) for part, shape in zip(parts, shapes, strict=True)]
        gradients, found = sums[: len(variables)], sums[len(variables) :]
        named = dict(zip(names, found, strict=True))
        return named | update(
            optimizer, gradients, variables, loss=named[total], clip_norm=settings.clip_norm
        )

    sums = whole(gradient_step, settings.xla)(dict(features))
    sums = tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.SUM, sums)
    return whole(update_step, settings.xla)(sums)


def whole(function: Callable[..., Any], xla: bool) -> Callable[..., Any]:
    """A function of a replica's tensors, compiled by XLA as one if asked for.

    Its operations are then plain ones, and nothing in it waits for other replicas.
    """

    @functools.wraps(function)
    def plain(*args: Any) -> Any:
        with plain_operations(), _no_meeting():
            return function(*args)

    return tf.function(plain, jit_compile=True, autograph=False) if xla else function


@contextlib.contextmanager
def _no_meeting() -> Iterator[None]:
    """Within it optimizers change the variables of a replica without waiting for others.

    It is what TensorFlow does by itself in what is compiled for GPUs, and for them alone.
    """
    extended = tf.distribute.get_strategy().extended
    former = extended._use_merge_call
    extended._use_merge_call = lambda: False
    try:
        yield
    finally:
        extended._use_merge_call = former


def outputs_of_lanes(
    forward: Callable[[Batch], dict[str, tf.Tensor]], features: Batch, lanes: int
) -> dict[str, tf.Tensor]:
    """The outputs of a batch whose lanes run side by side; [B, ...] each."""

    def of_lane(lane: tf.Tensor, part: Batch) -> dict[str, tf.Tensor]:
        del lane
        return forward(part)

    # Workers of several hosts do not know how many rows there are in the last batch of each.
    if next(iter(features.values())).shape[0] is None:
        lanes = 1
    outputs = side_by_side(of_lane, features, lanes)
    return {name: tf.concat([of[name] for of in outputs], axis=0) for name in outputs[0]}


def replica_count() -> int:
    """How many replicas there are; 1 outside of a strategy's replicas."""
    context = tf.distribute.get_replica_context()
    return context.num_replicas_in_sync if context else 1


def replica_id() -> tf.Tensor:
    """Which replica this is, scalar int64; 0 outside of a strategy's replicas."""
    context = tf.distribute.get_replica_context()
    return tf.cast(context.replica_id_in_sync_group if context else 0, tf.int64)
