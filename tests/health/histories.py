"""Histories of runs that were never trained: healthy ones, and what makes them sick."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from electra_cli.health.facts import Facts
from electra_cli.health.finding import Finding
from electra_cli.health.monitor import Monitor, findings_of

Line = dict[str, Any]
Curve = Callable[[int], float | None]

# A run like that of preset tiny on books.
TINY = Facts(
    has_discriminator=True,
    vocab_size=8000,
    sequence_length=128,
    mask_probability=0.15,
    sampling="reference",
    masking="token",
    steps=1500,
    warmup_steps=50,
    batch_size=32,
    learning_rate=2e-4,
    clip_norm=1.0,
    preset="tiny",
    preset_rate=2e-4,
    preset_batch=32,
    examples=31_296,
    validation_examples=342,
    padding_share=0.0,
    dropped_share=0.0,
    unigram_loss=6.34,
)
SMALL = replace(
    TINY,
    vocab_size=30_522,
    steps=1_000_000,
    warmup_steps=10_000,
    batch_size=128,
    learning_rate=5e-4,
    preset="small",
    preset_rate=5e-4,
    preset_batch=128,
    examples=35_000_000,
    validation_examples=100_000,
    unigram_loss=7.1,
)


def noise(step: int, size: float) -> float:
    """What single batches differ by; the same in every run of the tests."""
    return size * math.sin(12.9898 * step)


HEALTHY: dict[str, Curve] = {
    "masked_lm_loss": lambda step: 6.0 + 3.0 * math.exp(-step / 100) + noise(step, 0.15),
    "disc_loss": lambda step: 0.37 + 0.3 * math.exp(-step / 30) + noise(step, 0.01),
    "gradient_norm": lambda step: 3.5 + 15 * math.exp(-step / 80) + noise(step, 1.0),
    "seconds": lambda step: 0.14,
    "skipped": lambda step: 0,
}
HELD_OUT: dict[str, Curve] = {
    "masked_lm_loss": lambda step: 6.1 + 3.0 * math.exp(-step / 100),
    "sampled_masked_lm_accuracy": lambda step: 0.036 * (1 - math.exp(-step / 300)),
    "disc_loss": lambda step: 0.38 + 0.25 * math.exp(-step / 30),
    "disc_recall": lambda step: 0.02,
    "disc_auc": lambda step: 0.59,
    "replaced_rate": lambda step: 0.139 - 0.005 * (1 - math.exp(-step / 300)),
}


def history(
    *,
    facts: Facts = TINY,
    start: int = 0,
    stop: int | None = None,
    log_every: int = 10,
    evaluate_every: int = 100,
    held_out: dict[str, Curve] | None = None,
    **curves: Curve,
) -> Iterator[Line]:
    """The lines of one process.

    Args:
      facts: Of the run.
      start: The step it goes on from.
      stop: Its last step; that of the run by default.
      log_every: Steps from one line to the next.
      evaluate_every: Steps from one evaluation to the next.
      held_out: What differs from the healthy run in evaluations, by name and step.
      curves: What differs in training.
    """
    curve, judged = HEALTHY | curves, HELD_OUT | (held_out or {})
    stop = facts.steps if stop is None else stop
    seconds = skipped = 0.0
    yield {"kind": "start", "step": start}
    if start == 0:
        yield {"kind": "validation", "step": 0, **_at(judged, 0)}
    for step in range(start + 1, stop + 1):
        if step > start + 1:  # the first loop, of one step, is not timed
            seconds += curve["seconds"](step) or 0.0
        skipped += curve["skipped"](step) or 0
        if step % log_every == 0:
            values = _at(curve, step)
            del values["seconds"], values["skipped"]
            generator, disc = values["masked_lm_loss"], values["disc_loss"]
            known = generator is not None and disc is not None
            values["total_loss"] = generator + 50 * disc if known else None
            values["skipped_steps"] = int(skipped)
            speed = (step - start - 1) * facts.batch_size / seconds if seconds else 0.0
            yield {"kind": "train", "step": step, **values, "sequences_per_second": speed}
        if step % evaluate_every == 0:
            yield {"kind": "validation", "step": step, **_at(judged, step)}


def _at(curves: dict[str, Curve], step: int) -> Line:
    return {name: curve(step) for name, curve in curves.items()}


def names(findings: list[Finding]) -> list[str]:
    """Their names in order."""
    return [finding.name for finding in findings]


def found(facts: Facts, lines: Iterator[Line]) -> list[str]:
    """What a history of one process shows, live; afterwards it is the same."""
    monitor, seen = Monitor(facts), list(lines)
    for line in seen:
        monitor.see(line)
    assert findings_of(seen, facts) == monitor.findings
    return names(monitor.findings)
