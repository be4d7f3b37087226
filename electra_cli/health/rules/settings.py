"""Findings that configuration and data show before the first step."""

from __future__ import annotations

import math
from abc import abstractmethod
from typing import TYPE_CHECKING, ClassVar

from electra_cli.health.rule import Line, Rule, Sign

if TYPE_CHECKING:
    from electra_cli.health.facts import Facts

# Above this share the schedule is more warm-up than training, and the reference's rate never
# reaches its peak by far: it falls linearly to 0 at the same time.
_LONGEST_WARMUP = 0.5
# So many times the rate that the scaling rule gives: within a factor of two rates do about as well.
_HIGH_RATE = 2.0
# More than a third of the work, or of the text, for nothing.
_MOST_WASTED = 1 / 3


class SettingsRule(Rule):
    """Of what no process changes while it trains: it holds from its change on, and stays."""

    kinds: ClassVar = ("start", "train", "validation")
    begins_after: ClassVar = 1

    def __init__(self, facts: Facts) -> None:
        super().__init__(facts)
        well = (step for step, before in facts.former if self.text(before) is None)
        self._since = next(well, 0)

    @classmethod
    def applies(cls, facts: Facts) -> bool:
        """Whether it holds."""
        return cls.text(facts) is not None

    @classmethod
    @abstractmethod
    def text(cls, facts: Facts) -> str | None:
        """The numbers; None if all is well."""

    def see(self, line: Line) -> Sign | None:
        """It always holds."""
        del line
        return Sign("wrong", self.text(self.facts) or "", since=self._since)


class LongWarmup(SettingsRule):
    """The learning rate grows for more than half of the run."""

    name = "warmup-too-long"
    title = "The warm-up takes more than half of the run"
    meaning = (
        "The learning rate rises for most of the run: it has little time at the value that was "
        "asked for, and with a schedule that falls to 0 it never comes near it."
    )
    advice = (
        "lower `optimizer.warmup_steps` to 1 to 10% of `train.steps`, or train longer (`--steps`)"
    )

    @classmethod
    def text(cls, facts: Facts) -> str | None:
        """Both numbers."""
        if facts.steps is None or facts.warmup_steps <= _LONGEST_WARMUP * facts.steps:
            return None
        return f"optimizer.warmup_steps {facts.warmup_steps:,} of train.steps {facts.steps:,}"


class HighRate(SettingsRule):
    """The learning rate is far above the preset's, scaled to the batch.

    With Adam the rate that does the same grows with the square root of the batch (Malladi et al.
    2022, "On the SDEs and Scaling Rules for Adaptive Gradient Algorithms"); in proportion to it is
    the rule for SGD (Goyal et al. 2017).
    """

    name = "learning-rate-high"
    title = "The learning rate is high for this batch"
    meaning = (
        "A smaller batch has a noisier gradient and bears a lower rate: with Adam it goes with the "
        "square root of the batch. Too high a rate ends in a discriminator that says nothing, in "
        "spikes, or in NaN."
    )
    advice = (
        "lower `--learning-rate` to what the evidence names, or raise `--batch-size`; "
        "`--set train.accumulation_steps=N` makes room for a larger batch"
    )

    @classmethod
    def text(cls, facts: Facts) -> str | None:
        """The rate, and what the preset's would be here."""
        if facts.preset_rate is None or facts.preset_batch is None:
            return None
        scaled = facts.preset_rate * math.sqrt(facts.batch_size / facts.preset_batch)
        if facts.learning_rate <= _HIGH_RATE * scaled * (1 + 1e-9):
            return None
        return (
            f"learning rate {facts.learning_rate:g} at batch {facts.batch_size:,}; preset "
            f"{facts.preset} has {facts.preset_rate:g} at {facts.preset_batch:,}, which is "
            f"{scaled:.2g} at this batch"
        )


class Padding(SettingsRule):
    """Rows are padding by more than a third."""

    name = "padding"
    title = "More than a third of all positions is padding"
    meaning = "Padding is computed like text and teaches nothing: so much of the time is lost."
    advice = (
        "prepare the data again with `--packing full`, which puts several documents into a row, "
        "or with a shorter `--sequence-length`"
    )

    @classmethod
    def text(cls, facts: Facts) -> str | None:
        """The share."""
        if facts.padding_share is None or facts.padding_share <= _MOST_WASTED:
            return None
        return f"{facts.padding_share:.1%} of all positions of rows of {facts.sequence_length:,}"


class Truncation(SettingsRule):
    """More than a third of the text was cut off."""

    name = "truncation"
    title = "More than a third of the text was cut off"
    meaning = (
        "Lines are longer than rows, and what is left over of them was dropped when the data was "
        "prepared: the model never sees it."
    )
    advice = (
        "prepare the data again with a longer `--sequence-length`, with `--packing full`, or from "
        "text with shorter lines, such as one sentence each"
    )

    @classmethod
    def text(cls, facts: Facts) -> str | None:
        """The share."""
        if facts.dropped_share is None or facts.dropped_share <= _MOST_WASTED:
            return None
        return f"{facts.dropped_share:.1%} of all tokens were dropped"
