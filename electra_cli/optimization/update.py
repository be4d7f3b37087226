"""One update of the weights, or none where a number is not finite.

Whether to update is decided once for all replicas, in cross-replica context; a replica that decided
for itself could wait for ever for one that decided otherwise.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import tensorflow as tf
import tf_keras

from electra_cli.modeling.fused import is_plain
from electra_cli.optimization.adamw import ElectraAdamW
from electra_cli.optimization.average import WeightAverage

_LARGEST_SEARCHED = 1.0  # a loss scale above it may still be lowered


class Verdict(NamedTuple):
    """What became of a step; scalar booleans, the same on every replica.

    Attributes:
      applied: The weights were updated.
      overflowed: A gradient was too large for float16 at this loss scale, which was lowered: the
        search for the scale, not a fault.
    """

    applied: tf.Tensor
    overflowed: tf.Tensor


def loss_scaling(optimizer: Any) -> tf_keras.mixed_precision.LossScaleOptimizer | None:
    """The loss-scale optimizer among the optimizers wrapped in one another, if there is one."""
    if isinstance(optimizer, WeightAverage):
        optimizer = optimizer.wrapped
    is_scaling = isinstance(optimizer, tf_keras.mixed_precision.LossScaleOptimizer)
    return optimizer if is_scaling else None


def innermost(optimizer: Any) -> Any:
    """The optimizer that makes the updates, without average and loss scale around it."""
    if isinstance(optimizer, WeightAverage):
        optimizer = optimizer.wrapped
    return getattr(optimizer, "inner_optimizer", optimizer)


def create_slots(optimizer: Any, variables: Sequence[tf.Variable]) -> None:
    """Makes the variables that an optimizer would make in its first update.

    tf.function traces a function that makes variables twice; and a checkpoint that is restored
    before the first update then fills them at once, or says that it cannot.
    """
    innermost(optimizer)._create_all_weights(list(variables))


def learning_rate_of(optimizer: Any) -> tf.Tensor:
    """The rate of an optimizer's next update, scalar float32."""
    inner = innermost(optimizer)
    if isinstance(inner, ElectraAdamW):
        return inner.current_learning_rate()
    rate = inner.learning_rate
    return tf.cast(rate(inner.iterations) if callable(rate) else rate, tf.float32)


def update(
    optimizer: Any,
    gradients: Sequence[tf.Tensor],
    variables: Sequence[tf.Variable],
    *,
    loss: tf.Tensor,
    clip_norm: float,
) -> dict[str, tf.Tensor]:
    """Clips the gradient and updates the weights, unless a number is not finite.

    Args:
      optimizer: As of `apply_if_finite`.
      gradients: Of the global batch, scaled as the optimizer's loss scale asks for, the same on
        every replica.
      variables: Their variables.
      loss: Scalar, of the global batch.
      clip_norm: The largest global norm; above it, gradients are scaled down.

    Returns:
      Scalars: gradient_norm (before clipping), learning_rate (of this update), and whether the
      update was `applied` and whether float16 `overflowed`, as `Verdict` has them.
    """
    scaling = loss_scaling(optimizer)
    if scaling is not None:
        gradients = scaling.get_unscaled_gradients(gradients)
    norm = _global_norm(gradients)
    clipped, _ = tf.clip_by_global_norm(gradients, clip_norm, use_norm=norm)
    rate = tf.identity(learning_rate_of(optimizer))  # read before the update changes it
    with tf.control_dependencies([rate]):
        verdict = apply_if_finite(optimizer, clipped, variables, loss=loss, norm=norm)
    return {"gradient_norm": norm, "learning_rate": rate, **verdict._asdict()}


def _global_norm(gradients: Sequence[tf.Tensor]) -> tf.Tensor:
    """The norm of all gradients together, scalar float32."""
    if not is_plain():
        return tf.linalg.global_norm(gradients)
    # Compiled as a whole, a sum for each gradient would be two kernels for each on a GPU.
    together = tf.concat([tf.reshape(gradient, [-1]) for gradient in gradients], axis=0)  # [P]
    return tf.sqrt(tf.reduce_sum(tf.square(together)))


def apply_if_finite(
    optimizer: Any,
    gradients: Sequence[tf.Tensor],
    variables: Sequence[tf.Variable],
    *,
    loss: tf.Tensor,
    norm: tf.Tensor,
) -> Verdict:
    """Updates the weights unless loss or gradient are not finite.

    A step without update leaves weights, slots and averages as they were and still advances the
    optimizer's iterations, and with them the schedule.

    Args:
      optimizer: Any optimizer of Model Garden or ours, as `create_optimizer` wraps them.
      gradients: Of the global batch, unscaled and clipped, the same on every replica.
      variables: Their variables.
      loss: Scalar, of the global batch.
      norm: Scalar, the gradient's norm before clipping.
    """
    replica = tf.distribute.get_replica_context()
    scaling = loss_scaling(optimizer)
    finite_norm = tf.math.is_finite(norm)
    is_finite = tf.math.is_finite(loss) & finite_norm
    overflowed = tf.constant(False)
    if scaling is not None and scaling.dynamic:
        overflowed = ~is_finite & tf.math.is_finite(loss)
        overflowed &= tf.cast(scaling.loss_scale, tf.float32) > _LARGEST_SEARCHED

    def decide(finite: tf.Tensor, finite_norm: tf.Tensor, everywhere: Any) -> None:
        def update_with(chosen: Any) -> Any:
            def update(parts: Sequence[tf.Tensor]) -> None:
                chosen.apply_gradients(
                    zip(parts, variables, strict=True), experimental_aggregate_gradients=False
                )

            def updated() -> tf.Operation:
                everywhere(update)
                return tf.no_op()

            return updated

        def advance() -> tf.Operation:
            return _advance(optimizer)

        # Given gradients that are not finite, a dynamic loss scale is lowered and the iterations
        # advance, and nothing else happens; it would apply finite ones, whatever the loss is.
        def lower() -> tf.Operation:
            return tf.cond(finite_norm, advance, update_with(scaling))

        searches = scaling is not None and scaling.dynamic
        tf.cond(finite, update_with(optimizer), lower if searches else advance)

    def across(
        strategy: tf.distribute.Strategy, finite: Any, finite_norm: Any, gradients: Any
    ) -> None:
        def first(value: Any) -> tf.Tensor:
            return strategy.experimental_local_results(value)[0]

        def everywhere(update: Any) -> None:
            strategy.extended.call_for_each_replica(update, args=(gradients,))

        decide(first(finite), first(finite_norm), everywhere)

    gradients = list(gradients)
    if tf.__internal__.distribute.strategy_supports_no_merge_call():
        decide(is_finite, finite_norm, lambda update: update(gradients))
    else:
        replica.merge_call(across, args=(is_finite, finite_norm, gradients))
    return Verdict(is_finite, overflowed)


def _advance(optimizer: Any) -> tf.Operation:
    innermost(optimizer).iterations.assign_add(1)
    return tf.no_op()
