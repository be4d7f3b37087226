"""Sharing whose gradients are kept apart: what each network reads, learns, and may not touch."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

import numpy as np
import pytest
import tensorflow as tf

from electra_cli.modeling.architecture import RESIDUAL, Architecture
from electra_cli.modeling.electra import ElectraModel
from electra_cli.modeling.fused import plain_operations
from electra_cli.objectives import objective_of
from tests.modeling.test_electra import TINY, features

CONFIG = TINY.replaced(
    {
        "generator.sharing": "disentangled",
        "data.sequence_length": 16,
        "model.vocab_size": 40,
        "model.embedding_size": 8,
        "model.hidden_size": 16,
        "model.intermediate_size": 32,
        "model.num_layers": 1,
        "model.max_position_embeddings": 16,
    }
)
OBJECTIVE = objective_of(CONFIG.objective)
TABLES = ("words", "positions", "types")
_STEP = 1e-2  # of a difference: what is left out is of its square, what is rounded of its inverse

Losses = dict[str, tf.Tensor]


@pytest.fixture(scope="module")
def model() -> ElectraModel:
    """No weight is zero, so that no sum can hide that a part of it is missing."""
    made = ElectraModel(Architecture.of(CONFIG), forward=OBJECTIVE.forward)
    generator = np.random.default_rng(0)
    for variable in made.trainable_variables:
        variable.assign(variable + 0.2 * generator.standard_normal(variable.shape))
    return made


def losses_of(model: ElectraModel) -> Callable[[], Losses]:
    """The losses of one batch whose samples are fixed, which differences need to be smooth."""
    batch = features(CONFIG, rows=4)
    batch["sampled_ids"] = tf.random.stateless_uniform(
        batch["masked_lm_ids"].shape, [1, 2], 5, CONFIG.model.vocab_size, tf.int32
    )

    def losses() -> Losses:
        outputs = model(batch, training=False)
        return OBJECTIVE.mean_losses(batch, outputs, OBJECTIVE.counts(batch))

    return losses


def tables_of(model: ElectraModel) -> tuple[list[tf.Variable], list[tf.Variable]]:
    """The shared tables, and what the discriminator adds to each."""
    shared, own = model.generator_embeddings, model.embeddings
    residuals = [own.word_residual, own.position_residual, own.type_residual]
    return [shared.words, shared.positions, shared.types], residuals


def slope(variable: tf.Variable, along: tf.Tensor, losses: Callable[[], Losses]) -> Losses:
    """How fast each loss rises as a variable moves, by the difference of two values."""
    kept = tf.identity(variable)
    variable.assign(kept + _STEP * along)
    above = losses()
    variable.assign(kept - _STEP * along)
    below = losses()
    variable.assign(kept)
    return {name: (above[name] - below[name]) / (2 * _STEP) for name in above}


@pytest.mark.parametrize("form", ["pieces", "plain", "compiled"])
def test_gradients_are_those_of_differences(model: ElectraModel, form: str) -> None:
    losses, (shared, residuals) = losses_of(model), tables_of(model)
    with contextlib.nullcontext() if form == "pieces" else plain_operations():

        def gradients() -> tuple[list[tf.Tensor], Losses]:
            with tf.GradientTape() as tape:
                found = losses()
            every = tape.gradient(found["total_loss"], [*shared, *residuals])
            return [tf.convert_to_tensor(gradient) for gradient in every], found

        compiled = tf.function(gradients, jit_compile=form == "compiled", autograph=False)
        found, _ = compiled()
        forward = tf.function(losses, autograph=False)
        weights = OBJECTIVE.weights
        for kind, table, gradient in zip(TABLES * 2, [*shared, *residuals], found, strict=True):
            is_residual = RESIDUAL in table.name
            loss = "disc_loss" if is_residual else "masked_lm_loss"
            # Along the gradient, and along directions that it does not choose, since every
            # projection of the true one has its own norm as the slope along itself.
            norm = tf.norm(gradient)
            others = [tf.random.stateless_normal(table.shape, [3, n]) for n in range(3)]
            for along in (gradient / norm, *(other / tf.norm(other) for other in others)):
                of = slope(table, along, forward)
                np.testing.assert_allclose(
                    tf.reduce_sum(gradient * along),
                    weights[loss] * of[loss],
                    rtol=5e-3,
                    atol=1e-3 * norm,
                    err_msg=kind,
                )
                if is_residual:
                    assert of["masked_lm_loss"] == 0, kind
            if not is_residual:  # the discriminator depends on it too, and sends nothing back
                along = np.sign(gradient)
                assert abs(slope(table, along, forward)["disc_loss"]) > 1e-3, kind


def test_each_network_sends_gradients_to_its_own(model: ElectraModel) -> None:
    losses = losses_of(model)
    with plain_operations(), tf.GradientTape(persistent=True) as tape:
        found = losses()
    for variable in model.trainable_variables:
        name = variable.name
        is_generators = name.startswith(("electra/embeddings/", "generator"))
        for loss, mine in (("masked_lm_loss", is_generators), ("disc_loss", not is_generators)):
            assert (tape.gradient(found[loss], variable) is not None) == mine, (loss, name)


def test_it_begins_as_if_everything_were_shared() -> None:
    """The same weights from the same seed: the residuals are zero, and both LayerNorms new."""
    batch = features(CONFIG, rows=2)
    tied = CONFIG.replaced({"generator.sharing": "tied"})
    with plain_operations():
        found = [
            ElectraModel(Architecture.of(config)).discriminate(batch["input_ids"], batch)[0]
            for config in (CONFIG, tied)
        ]
    np.testing.assert_array_equal(*found)
