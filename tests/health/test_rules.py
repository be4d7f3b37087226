"""Every finding: a history that shows it and nothing else, and when it ends."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from electra_cli.corpus.shards.held_out import HeldOutTokens
from electra_cli.corpus.wordpiece.vocabulary import SpecialIds
from electra_cli.health import FINDINGS
from electra_cli.health.facts import Facts
from electra_cli.health.monitor import findings_of
from tests.health.histories import (
    HEALTHY,
    HELD_OUT,
    SMALL,
    TINY,
    Curve,
    Line,
    found,
    history,
    noise,
)
from tests.health.real_histories import DEMO, demo, early, published


def constant(value: float) -> Curve:
    """A curve that stands still, but for what batches differ by."""
    return lambda step: value + noise(step, 0.01 * value)


NOTHING = {"disc_recall": constant(0.0), "disc_auc": constant(0.51)}

# By name: the facts, and what differs from a healthy run.
SICK: dict[str, tuple[Facts, dict[str, Any]]] = {
    "not-better-than-uniform": (TINY, {"masked_lm_loss": constant(9.0)}),
    "unigram-plateau": (TINY, {"masked_lm_loss": constant(6.4)}),
    "discriminator-constant": (TINY, {"held_out": NOTHING}),
    "discriminator-too-easy": (TINY, {"held_out": {"disc_auc": lambda step: 0.985}}),
    "generator-too-strong": (
        TINY,
        {
            "held_out": {
                "sampled_masked_lm_accuracy": constant(0.6),
                "replaced_rate": constant(0.0555),
                "disc_loss": constant(0.21),
            }
        },
    ),
    "replaced-rate": (TINY, {"held_out": {"replaced_rate": constant(0.08)}}),
    "loss-spike": (TINY, {"disc_loss": lambda step: 0.38 if step < 700 else 0.6}),
    "gradient-rising": (
        TINY,
        {
            "gradient_norm": lambda step: 4.0 if step < 500 else 4.0 * 1.003 ** (step - 500),
            "disc_loss": lambda step: 0.37 if step < 500 else 0.37 + 5e-5 * (step - 500),
            "stop": 1300,
        },
    ),
    "gradient-clipped": (replace(TINY, clip_norm=0.05), {}),
    "skipped-steps": (TINY, {"skipped": lambda step: step in (600, 650, 700)}),
    "overfitting": (
        replace(TINY, examples=2000),
        {
            "masked_lm_loss": lambda step: 5.5 - 0.002 * step,
            "held_out": {"masked_lm_loss": lambda step: 6.0 + 0.0002 * abs(step - 500)},
        },
    ),
    "learning-rate-high": (replace(TINY, learning_rate=1e-3), {}),
    "warmup-too-long": (replace(TINY, warmup_steps=800), {}),
    "padding": (replace(TINY, padding_share=0.4), {}),
    "truncation": (replace(TINY, dropped_share=0.4), {}),
    "throughput-fell": (TINY, {"seconds": lambda step: 0.3 if step < 800 else 0.7}),
}


def test_each_finding_has_a_history() -> None:
    assert SICK.keys() == FINDINGS.keys()


@pytest.mark.parametrize("name", SICK)
def test_a_sick_run(name: str) -> None:
    facts, curves = SICK[name]
    assert found(facts, history(facts=facts, **curves)) == [name]
    (finding,) = findings_of(history(facts=facts, **curves), facts)
    assert finding.until is None
    assert finding.title == FINDINGS[name]
    assert all([finding.evidence, finding.meaning, finding.advice])
    said, *typed = re.split(r"`[^`]+`", finding.advice)
    assert not re.search(r"--|`|\w\.\w*_", said + "".join(typed))  # it is marked, in pairs


def between(begin: int, end: int, sick: float, healthy: float) -> Curve:
    """A curve that is sick from a step on, and healthy before and from another one on."""
    return lambda step: (sick if begin <= step < end else healthy) + noise(step, 0.01 * healthy)


# By name: what is sick for a while, and from where to where that is noticed.
PASSING: dict[str, tuple[dict[str, Any], int, int]] = {
    "not-better-than-uniform": ({"masked_lm_loss": between(0, 1000, 9.0, 6.0)}, 260, 960),
    "unigram-plateau": ({"masked_lm_loss": between(0, 1060, 6.4, 6.0)}, 560, 1060),
    "discriminator-constant": (
        {
            "held_out": {
                "disc_recall": between(300, 800, 0.0, 0.05),
                "disc_auc": between(300, 800, 0.5, 0.7),
            }
        },
        300,
        800,
    ),
    "discriminator-too-easy": ({"held_out": {"disc_auc": between(300, 800, 0.985, 0.9)}}, 300, 800),
    "loss-spike": ({"disc_loss": between(700, 800, 0.7, 0.37)}, 700, 800),
    "gradient-clipped": ({"gradient_norm": between(400, 1000, 90.0, 4.0)}, 530, 1140),
    "skipped-steps": ({"skipped": lambda step: step in (300, 310, 320)}, 300, 1320),
    "overfitting": (
        {
            "held_out": {"masked_lm_loss": lambda step: 6.2 if 800 <= step < 1200 else 6.1},
            "facts": 2000,
        },
        800,
        1200,
    ),
    "throughput-fell": ({"seconds": between(600, 1100, 0.7, 0.3)}, 540, 1060),
}


@pytest.mark.parametrize("name", PASSING)
def test_a_run_that_recovers(name: str) -> None:
    curves, since, until = PASSING[name]
    facts = replace(TINY, examples=curves.pop("facts", TINY.examples))
    (finding,) = findings_of(history(facts=facts, **curves), facts)
    assert (finding.name, finding.since, finding.until) == (name, since, until)


def held_out(**curves: Curve) -> dict[str, Any]:
    """What differs in evaluations."""
    return {"held_out": curves}


def _of_few_tokens() -> float | None:
    """The loss of guessing by frequency that a manifest has with 53 held-out tokens."""
    counts = np.array([0] * 5 + [12, 4, 3] + [1] * 34, np.int64)  # [V]
    baselines = HeldOutTokens.of(counts, SpecialIds(pad=0, unk=1, cls=2, sep=3, mask=4))
    return None if baselines is None else baselines.unigram_entropy


# What is nearly a finding, and is none.
NEAR_MISSES: dict[str, tuple[Facts, dict[str, Any]]] = {
    "healthy": (TINY, {}),
    "a line a step": (TINY, {"log_every": 1, "stop": 900}),
    "few lines": (TINY, {"log_every": 100, "evaluate_every": 500}),
    "no recall, but the ranking is good": (TINY, held_out(disc_recall=lambda step: 0.0)),
    "chance, but for a while": (
        TINY,
        held_out(disc_recall=between(500, 600, 0, 0.1), disc_auc=between(500, 600, 0.5, 0.7)),
    ),
    "an area as published": (TINY, held_out(disc_auc=lambda step: 0.95)),
    "a loss that jumps for two lines": (TINY, {"disc_loss": between(700, 720, 1.0, 0.37)}),
    "a loss that creeps up": (TINY, {"disc_loss": lambda step: 0.3 + 0.0001 * step}),
    "noisy batches": (TINY, {"disc_loss": lambda step: 0.37 + noise(step, 0.1)}),
    "a gradient that grows while the loss falls": (
        TINY,
        {
            "gradient_norm": lambda step: 1.0 + 0.01 * step,
            "masked_lm_loss": lambda step: 6.2 - 0.002 * step,
        },
    ),
    "a gradient that has grown once while the loss stands still": (
        TINY,
        {"gradient_norm": lambda step: 1.0 if step < 700 else 5.0, "disc_loss": constant(0.37)},
    ),
    "two skipped steps": (TINY, {"skipped": lambda step: step in (600, 700)}),
    "skipped steps far from each other": (TINY, {"skipped": lambda step: step % 600 == 0}),
    "a rising held-out loss, and new text": (
        TINY,
        held_out(masked_lm_loss=lambda step: 6.0 + 0.001 * step),
    ),
    "many epochs, and a falling held-out loss": (replace(TINY, examples=2000), {}),
    "twice the preset's rate": (replace(TINY, learning_rate=4e-4), {}),
    "a quarter of the preset's batch": (replace(TINY, batch_size=8), {}),
    "the rule for a larger batch": (replace(TINY, batch_size=512, learning_rate=8e-4), {}),
    "a preset of somebody's own": (
        replace(TINY, preset_rate=None, preset_batch=None, learning_rate=1.0),
        {},
    ),
    "half of the run": (replace(TINY, warmup_steps=750), {}),
    "a third of padding": (replace(TINY, padding_share=0.33, dropped_share=0.33), {}),
    "a busy machine": (TINY, {"seconds": lambda step: 0.3 + (0.1 if step % 7 else 0.0)}),
    "a short pause": (TINY, {"seconds": lambda step: 20.0 if step == 800 else 0.3}),
    "ten steps": (
        replace(TINY, steps=10, warmup_steps=4),
        {
            "log_every": 1,
            "evaluate_every": 5,
            "masked_lm_loss": constant(9.1),
            **held_out(**NOTHING),
        },
    ),
    "masks that are filled by chance": (
        replace(TINY, has_generator=False),
        {
            "masked_lm_loss": lambda step: 8.99,
            **held_out(
                masked_lm_loss=lambda step: 8.99,
                sampled_masked_lm_accuracy=lambda step: 0.0,
                disc_auc=constant(0.97),
                replaced_rate=constant(0.139),
            ),
        },
    ),
    "training masks more than held-out rows": (
        replace(TINY, mask_probability=0.4),
        held_out(flops=lambda step: 1e9 * step),
    ),
    "an older electra masked both alike": (
        replace(TINY, mask_probability=0.4),
        held_out(replaced_rate=constant(0.31)),
    ),
    "right samples of Electric": (
        replace(TINY, is_electric=True),
        held_out(
            sampled_masked_lm_accuracy=constant(0.6),
            replaced_rate=constant(0.139),
            disc_loss=constant(0.39),
        ),
    ),
    "few held-out rows": (
        replace(TINY, validation_examples=2),
        held_out(replaced_rate=lambda step: 0.08),
    ),
    "no baselines": (
        replace(TINY, unigram_loss=None, examples=None, validation_examples=None),
        {"masked_lm_loss": constant(6.4)},
    ),
    # As in a text whose 53 held-out tokens, all but a few different ones, are said to have 3.46.
    "few held-out tokens": (
        replace(TINY, unigram_loss=_of_few_tokens()),
        {"masked_lm_loss": constant(6.4), **held_out(disc_auc=lambda step: 0.95)},
    ),
    "nothing is known": (TINY, dict.fromkeys(HEALTHY, lambda step: None)),
    "not a number": (
        TINY,
        dict.fromkeys(("masked_lm_loss", "disc_loss", "gradient_norm"), lambda step: math.nan)
        | held_out(**dict.fromkeys(HELD_OUT, lambda step: math.inf)),
    ),
}


@pytest.mark.parametrize("name", NEAR_MISSES)
def test_a_healthy_run(name: str) -> None:
    facts, curves = NEAR_MISSES[name]
    assert found(facts, history(facts=facts, **curves)) == []


def test_a_generator_that_only_guesses_makes_less_too_easy() -> None:
    curves = held_out(disc_auc=lambda step: 0.95, masked_lm_loss=lambda step: 9.0)
    assert found(TINY, history(**curves)) == ["discriminator-too-easy"]


def test_runs_that_were_trained() -> None:
    assert found(DEMO, demo()) == []
    assert found(SMALL, early()) == []
    assert found(SMALL, published()) == []


@pytest.mark.parametrize("name", ["not-better-than-uniform", "unigram-plateau"])
def test_masked_language_modelling(name: str) -> None:
    """Where there is no discriminator its rules say nothing, and the others what they say."""
    facts = replace(TINY, has_discriminator=False)

    def lines(**curves: Any) -> Iterator[Line]:
        for line in history(facts=facts, **curves):
            values = {key: v for key, v in line.items() if not key.startswith(("disc_", "sampled"))}
            yield values | ({"total_loss": line["masked_lm_loss"]} if "total_loss" in line else {})

    assert found(facts, lines()) == []
    assert found(facts, lines(**SICK[name][1])) == [name]


@pytest.mark.parametrize("slower", [False, True])
def test_batches_of_another_size_have_another_speed(slower: bool) -> None:
    """As many seconds an update with a quarter of the rows: nothing has become slow by that."""
    facts = replace(TINY, batch_schedule=f"128:{600 * 128}")
    large = history(facts=replace(TINY, batch_size=128), stop=600, seconds=lambda step: 0.3)
    seconds: Curve = lambda step: 0.7 if slower and step > 1000 else 0.3  # noqa: E731
    small = history(facts=TINY, start=600, seconds=seconds)
    lines = [*large, *(line for line in small if line["kind"] != "start")]
    assert found(facts, iter(lines)) == ["throughput-fell"] * slower
