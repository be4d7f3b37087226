"""Objectives on batches small enough to compute by hand."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from electra_cli.config.schema import Config
from electra_cli.config.sections import ObjectiveConfig
from electra_cli.errors import DataError
from electra_cli.metrics.names import BANDS
from electra_cli.modeling.architecture import Architecture
from electra_cli.modeling.electra import ElectraModel
from electra_cli.objectives import all_objectives, metrics_of, objective_of
from electra_cli.objectives.base import Objective
from tests.modeling.test_electra import TINY, features

MLM_TINY = TINY.replaced({"objective.name": "mlm"})

# Two rows of four positions, two masked slots each; the second slot of row 1 is not in use, and
# the last position of row 1 is padding.
FEATURES = {
    "masked_lm_ids": [[0, 2], [1, 0]],
    "masked_lm_weights": [[1.0, 1.0], [1.0, 0.0]],
    "masked_lm_positions": [[1, 2], [1, 0]],
    "input_ids": [[2, 0, 2, 1], [2, 1, 2, 0]],
    "input_mask": [[1, 1, 1, 1], [1, 1, 1, 0]],
    "cloze_weights": [[0.0, 1.0, 1.0, 1.0], [0.0, 1.0, 1.0, 0.0]],
}
# Probabilities of three tokens; the right ones have 1/2, 1/4 and 1/8, the unused slot's 1/16.
PROBABILITIES = [
    [[1 / 2, 1 / 4, 1 / 4], [3 / 8, 3 / 8, 1 / 4]],
    [[7 / 16, 1 / 8, 7 / 16], [1 / 16, 1 / 2, 7 / 16]],
]
LABELS = [[0, 1, 0, 0], [0, 1, 0, 0]]  # 1: replaced
# Logarithms of odds: 1/2 for each token but two replaced ones, of which one is found.
LOGITS = [[0.0, math.log(3), 0.0, 0.0], [0.0, -math.log(3), 0.0, 9.0]]
MASKED_NATS = 6 * math.log(2)  # of 1/2, 1/4 and 1/8
CLOZE_BITS = [[9.0, 1.0, 2.0, 1.0], [9.0, 3.0, 1.0, 9.0]]
CLOZE_NATS = 8 * math.log(2)  # of the five that count
DISC_NATS = 5 * math.log(2) + math.log(4 / 3) + math.log(4)


def batch(**changes: Any) -> dict[str, tf.Tensor]:
    return {key: tf.constant(value) for key, value in (FEATURES | changes).items()}


def outputs(objective: Objective) -> dict[str, tf.Tensor]:
    found = {
        "masked_lm_logits": tf.math.log(tf.constant(PROBABILITIES)),
        "sampled_ids": tf.constant([[0, 1], [1, 0]]),
        "disc_logits": tf.constant(LOGITS),
        "disc_labels": tf.constant(LABELS),
        "cloze_cross_entropy": tf.constant(CLOZE_BITS) * math.log(2),
        "cloze_is_best": tf.constant([[1.0, 1.0, 0.0, 1.0], [0.0, 0.0, 1.0, 1.0]]),
    }
    used = {term.output for term in objective.terms}
    used |= {"sampled_ids", "disc_labels", "cloze_is_best"}
    return {name: value for name, value in found.items() if name in used}


def chosen(name: str, **settings: Any) -> Objective:
    return objective_of(ObjectiveConfig(name=name, **settings))


def numbers(tensors: dict[str, tf.Tensor]) -> dict[str, float]:
    return {name: float(value) for name, value in tensors.items()}


@pytest.mark.parametrize(
    ("name", "sums", "counts"),
    [
        (
            "electra",
            {"masked_lm_loss": MASKED_NATS, "disc_loss": DISC_NATS},
            {"masked_lm_loss": 3, "disc_loss": 7},
        ),
        ("mlm", {"masked_lm_loss": MASKED_NATS}, {"masked_lm_loss": 3}),
        (
            "electric",
            {"cloze_loss": CLOZE_NATS, "masked_lm_loss": MASKED_NATS, "disc_loss": DISC_NATS},
            {"cloze_loss": 5, "masked_lm_loss": 3, "disc_loss": 7},
        ),
    ],
)
def test_sums_and_counts(name: str, sums: dict[str, float], counts: dict[str, int]) -> None:
    objective = chosen(name)
    assert numbers(objective.counts(batch())) == counts
    assert numbers(objective.sums(batch(), outputs(objective))) == pytest.approx(sums, rel=1e-6)


@pytest.mark.parametrize(
    ("name", "settings", "total"),
    [
        ("electra", {}, MASKED_NATS / 3 + 50 * DISC_NATS / 7),
        ("electra", {"generator_weight": 0.0, "disc_weight": 2.0}, 2 * DISC_NATS / 7),
        ("mlm", {"generator_weight": 0.8}, 0.8 * MASKED_NATS / 3),
        ("electric", {"generator_weight": 0.5}, 0.5 * CLOZE_NATS / 5 + 50 * DISC_NATS / 7),
    ],
)
def test_the_total_is_weighed(name: str, settings: dict[str, float], total: float) -> None:
    objective = chosen(name, **settings)
    counts = objective.counts(batch())
    found = numbers(objective.mean_losses(batch(), outputs(objective), counts))
    assert tuple(found) == objective.losses
    assert found["total_loss"] == pytest.approx(total, rel=1e-6)
    assert found["masked_lm_loss"] == pytest.approx(MASKED_NATS / 3, rel=1e-6)


@pytest.mark.parametrize("objective", all_objectives(), ids=lambda o: o.settings.name)
def test_parts_of_a_batch_add_up_to_it(objective: Objective) -> None:
    whole, made = batch(), outputs(objective)
    counts = objective.counts(whole)
    rows = [
        objective.mean_losses(
            {k: v[row : row + 1] for k, v in whole.items()},
            {k: v[row : row + 1] for k, v in made.items()},
            counts,
        )
        for row in range(2)
    ]
    together = objective.mean_losses(whole, made, counts)
    for name, value in together.items():
        assert float(rows[0][name] + rows[1][name]) == pytest.approx(float(value), rel=1e-6), name


@pytest.mark.parametrize("objective", all_objectives(), ids=lambda o: o.settings.name)
def test_nothing_masked_and_rows_of_padding_cost_nothing(objective: Objective) -> None:
    nothing = batch(
        masked_lm_weights=[[0.0, 0.0]] * 2,
        input_mask=[[0] * 4] * 2,
        cloze_weights=[[0.0] * 4] * 2,
    )
    counts = objective.counts(nothing)
    found = numbers(objective.mean_losses(nothing, outputs(objective), counts))
    assert set(found.values()) == {0.0}


@pytest.mark.parametrize("objective", all_objectives(), ids=lambda o: o.settings.name)
def test_validation_and_keras_metrics_of_the_same_tokens(objective: Objective) -> None:
    logs = objective.validation_logs(batch(), outputs(objective))
    state, metrics = objective.new_validation(3), objective.keras_metrics()
    state.add(logs)
    objective.update_keras_metrics(metrics, logs)
    exact = state.result()
    assert tuple(exact) == metrics_of([objective], detail=True)
    assert exact["masked_lm_accuracy"] == pytest.approx(1 / 3)
    assert exact["masked_lm_top5_accuracy"] == 1
    assert [metric.name for metric in metrics] == list(objective.step_metrics)
    for metric in metrics:
        assert float(metric.result()) == pytest.approx(exact[metric.name], rel=1e-6), metric.name


def test_the_likeliest_tokens_and_the_others() -> None:
    objective = chosen("electric")
    state = objective.new_validation(3)
    state.add(objective.validation_logs(batch(), outputs(objective)))
    found = state.result()
    assert found["cloze_accuracy"] == pytest.approx(3 / 5)
    assert found["cloze_perplexity"] == pytest.approx(2 ** (8 / 5))
    assert found["cloze_accuracy/position_quarter_2"] == pytest.approx(1 / 2)


def test_verdicts_on_tokens() -> None:
    objective = chosen("electra")
    state = objective.new_validation(3)
    state.add(objective.validation_logs(batch(), outputs(objective)))
    found = state.result()
    assert found["replaced_rate"] == pytest.approx(2 / 7)
    assert (found["disc_precision"], found["disc_recall"]) == (1.0, 0.5)
    assert found["disc_accuracy"] == pytest.approx(6 / 7)
    assert found["disc_auc"] == pytest.approx(0.5)  # one above all others, one below
    assert found["sampled_masked_lm_accuracy"] == pytest.approx(2 / 3)


@pytest.mark.parametrize(
    ("name", "key", "broken", "words"),
    [
        ("electra", "input_mask", None, "the batch has no input_mask"),
        ("electra", "input_mask", [[1, 1, 1]] * 2, r"input_mask must be \[2, 4\]"),
        ("mlm", "masked_lm_ids", None, r"no masked_lm_ids, which must be \[2, 2\]"),
        ("mlm", "masked_lm_ids", [[0.5, 1.0]] * 2, "masked_lm_ids must be integers"),
        ("mlm", "masked_lm_weights", [["a", "b"]] * 2, "masked_lm_weights must be numbers"),
    ],
)
def test_wrong_labels(name: str, key: str, broken: Any, words: str) -> None:
    objective = chosen(name)
    labels = batch(**{key: broken} if broken is not None else {})
    if broken is None:
        del labels[key]
    with pytest.raises(DataError, match=words):
        objective.check_labels(labels, outputs(objective))


def test_an_objective_needs_only_its_own_labels() -> None:
    labels = batch()
    del labels["input_mask"]
    chosen("mlm").check_labels(labels, outputs(chosen("mlm")))


def test_names_follow_from_the_terms() -> None:
    electra, mlm = chosen("electra"), chosen("mlm")
    assert electra.losses == ("total_loss", "masked_lm_loss", "disc_loss")
    assert electra.labels == {
        "total_loss": "loss", "masked_lm_loss": "gen", "disc_loss": "disc",
    }  # fmt: skip
    assert mlm.losses == ("total_loss", "masked_lm_loss")
    assert set(mlm.metrics) < set(electra.metrics)
    assert not any(name.startswith(("disc", "sampled", "replaced")) for name in mlm.metrics)
    assert mlm.breakdowns == tuple(f"masked_lm_accuracy/{band}" for band in BANDS)
    assert metrics_of(all_objectives(), detail=True)[: len(electra.metrics)] == electra.metrics


def model_of(config: Config) -> ElectraModel:
    forward = objective_of(config.objective).forward
    return ElectraModel(Architecture.of(config), forward=forward)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("config", [TINY, MLM_TINY], ids=["electra", "mlm"])
def test_losses_at_step_0(config: Config, seed: int) -> None:
    config = config.replaced({"train.seed": seed})
    objective, made = objective_of(config.objective), features(config, rows=32)
    found = objective.mean_losses(
        made, tf.function(model_of(config).call, autograph=False)(made), objective.counts(made)
    )
    assert float(found["masked_lm_loss"]) == pytest.approx(math.log(4096), rel=0.01)
    if "disc_loss" in found:
        assert float(found["disc_loss"]) == pytest.approx(math.log(2), rel=0.25)


def test_sampling_passes_no_gradient_to_the_generator() -> None:
    model, made = model_of(TINY), features(TINY, rows=2)
    with tf.GradientTape() as tape:
        disc_only = tf.reduce_sum(model(made)["disc_logits"])
    gradients = tape.gradient(disc_only, list(model.trainable_variables))
    for variable, gradient in zip(model.trainable_variables, gradients, strict=True):
        belongs_to_generator = variable.name.startswith("generator")
        assert (gradient is None) == belongs_to_generator, variable.name


def test_what_the_generator_gets_right_counts_as_original() -> None:
    made = features(TINY, rows=4) | {}
    made["sampled_ids"] = made["masked_lm_ids"]
    found = model_of(TINY)(made)
    np.testing.assert_array_equal(found["disc_inputs"], made["input_ids"])
    assert not found["disc_labels"].numpy().any()


def test_mlm_trains_every_variable_of_one_network() -> None:
    model, made = model_of(MLM_TINY), features(MLM_TINY, rows=2)
    names = {variable.name.split("/")[0] for variable in model.trainable_variables}
    assert names == {"electra", "generator_predictions"}
    objective = objective_of(MLM_TINY.objective)
    with tf.GradientTape() as tape:
        found = objective.mean_losses(made, model(made), objective.counts(made))
    gradients = tape.gradient(found["total_loss"], list(model.trainable_variables))
    assert all(gradient is not None for gradient in gradients)


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ((9.3, 0.857, 20.1), (6.9, 0.749, 25.5), ["disc_auc falls", "total_loss rises"]),
        ((6.9, 0.749, 25.5), (6.4, 0.695, 25.0), ["disc_auc falls"]),
        ((6.9, 0.700, 25.0), (6.4, 0.702, 25.5), ["total_loss rises"]),
        ((9.3, 0.540, 40.9), (9.0, 0.857, 20.1), []),
        ((9.3298, 0.5425, 40.7), (9.3297, 0.5412, 40.8), []),  # so little is chance
        ((6.4, 0.749, 25.0), (6.9, 0.695, 25.5), []),  # the generator is no reason
    ],
)
def test_why_numbers_become_worse(
    before: tuple[float, ...], after: tuple[float, ...], said: list[str]
) -> None:
    names = ("masked_lm_loss", "disc_auc", "total_loss")
    why = chosen("electra").remark(
        dict(zip(names, before, strict=True)), dict(zip(names, after, strict=True))
    )
    assert all(text in why for text in said)
    assert bool(why) == bool(said)
    assert ("disc_auc" in why) == ("disc_auc falls" in said)
