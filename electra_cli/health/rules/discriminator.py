"""Findings about the discriminator, and about how well both networks match; held-out numbers."""

from __future__ import annotations

import math
from abc import abstractmethod
from typing import TYPE_CHECKING, ClassVar

from electra_cli.health.rule import Line, Rule, Sign, above, below, number
from electra_cli.metrics import held_out
from electra_cli.metrics.baselines import constant_disc_loss

if TYPE_CHECKING:
    from electra_cli.health.facts import Facts

# Of a thousand replaced tokens it finds less than five, and it ranks them no better than chance. A
# healthy run of preset tiny on books was at a recall of 0.8% and an area of 0.577 at the worst.
_NO_RECALL, _SOME_RECALL = 0.005, 0.02
_CHANCE, _SOME = 0.03, 0.06  # from an area of 0.5
# Published runs end at 0.935 (small, 1M steps); above this there is next to nothing left to learn.
_EASY_AREA, _HARD_AREA = 0.98, 0.97
# The same of a generator that is no better than guessing by frequency: what it puts in is told by
# that alone. A tiny discriminator reaches 0.92 where the generator is not trained at all, and a
# healthy run is beyond frequencies long before it is here.
_EASY_GUESSES, _HARD_GUESSES = 0.90, 0.88
# The generator is beyond frequent words (published small: 0.32 at 150k steps), and still the
# discriminator has little more than a constant answer. Published: 0.37 better there.
_GOOD_SAMPLES = 0.25
_LITTLE_GAIN, _ENOUGH_GAIN = 0.10, 0.15
# Shares of the expected rate; doubly drawn positions, short rows and words explain some 10%.
_FAR, _NEAR = 0.3, 0.2
# Standard deviations of a count of so many replaced tokens.
_DEVIATIONS = 4.0


class HeldOutRule(Rule):
    """Of the discriminator over the held-out rows, once something may have been learned."""

    kinds: ClassVar = ("validation",)
    begins_after: ClassVar = 2
    ends_after: ClassVar = 1

    @classmethod
    def applies(cls, facts: Facts) -> bool:
        """Only where there is a discriminator."""
        return facts.has_discriminator

    def see(self, line: Line) -> Sign | None:
        """Judges an evaluation after the first updates."""
        return self.judge(line) if line["step"] >= self.facts.settled_step else None

    @abstractmethod
    def judge(self, line: Line) -> Sign | None:
        """What an evaluation shows; None if it lacks a number."""


class ConstantDiscriminator(HeldOutRule):
    """It gives every token the same answer."""

    name = "discriminator-constant"
    title = "The discriminator calls every token original"
    meaning = (
        "disc_recall is 0 and disc_auc about 0.5: it finds no replaced token and ranks them no "
        "better than chance. disc_accuracy looks good all the same, since most tokens are original."
    )
    advice = (
        "lower `--learning-rate` to half or a third (published runs were cured by 5e-4 -> 1e-4), "
        "or give it a longer warm-up; it rarely comes back by itself"
    )

    def judge(self, line: Line) -> Sign | None:
        """Both numbers have to say so, and one of them is enough to end it."""
        recall, area = number(line, "disc_recall"), number(line, "disc_auc")
        if recall is None or area is None:
            return None
        text = f"disc_recall {recall:.1%}, disc_auc {area:.3f}"
        if recall <= _NO_RECALL and abs(area - 0.5) <= _CHANCE:
            return Sign("wrong", text)
        found = recall >= _SOME_RECALL or abs(area - 0.5) >= _SOME
        return Sign("fine" if found else "between", text)


class EasyDiscriminator(HeldOutRule):
    """It finds nearly every replaced token."""

    name = "discriminator-too-easy"
    title = "The discriminator's task is too easy: the generator is too weak"
    meaning = (
        "disc_auc is near 1, or high while the generator only guesses: what it puts in is told "
        "without understanding the text, so the discriminator has little left to learn from."
    )
    advice = (
        "a larger generator (`--set generator.size=0.25` to 0.5), a higher "
        "`objective.generator_weight` if it was lowered, or more steps: does `masked_lm_loss` fall?"
    )

    @classmethod
    def applies(cls, facts: Facts) -> bool:
        """Not where masks are filled by chance: that such tokens are found is what is learned."""
        return super().applies(facts) and facts.has_generator

    def judge(self, line: Line) -> Sign | None:
        """The area; less of it is enough where the generator only guesses by frequency."""
        area, loss = number(line, "disc_auc"), number(line, "masked_lm_loss")
        unigram = self.facts.unigram_loss
        if area is None:
            return None
        if loss is None or unigram is None or loss < unigram:
            return above(area, _EASY_AREA, _HARD_AREA, f"disc_auc {area:.3f}")
        text = (
            f"disc_auc {area:.3f}; masked_lm_loss {loss:.2f}, guessing by frequency {unigram:.2f}"
        )
        return above(area, _EASY_GUESSES, _HARD_GUESSES, text)


class StrongGenerator(HeldOutRule):
    """Its replacements are so good that the discriminator learns nothing."""

    name = "generator-too-strong"
    title = "The generator is too strong for the discriminator"
    meaning = (
        "The generator fills many masks right, and what it fills wrong the discriminator cannot "
        "tell from the text: its loss is hardly better than that of a constant answer."
    )
    advice = (
        "a smaller generator: `--set generator.size=0.25` (the paper's best are 1/4 to 1/2 of the "
        "discriminator), or a higher `objective.mask_probability`"
    )

    @classmethod
    def applies(cls, facts: Facts) -> bool:
        """Not with Electric, of whose samples nobody can tell the right ones."""
        return super().applies(facts) and not facts.is_electric

    def judge(self, line: Line) -> Sign | None:
        """What the discriminator gains over a constant answer, once the generator is good."""
        samples = number(line, "sampled_masked_lm_accuracy")
        loss, rate = number(line, "disc_loss"), number(line, "replaced_rate")
        if samples is None or loss is None or rate is None or not 0 < rate < 1:
            return None
        constant = constant_disc_loss(rate)
        text = (
            f"sampled_masked_lm_accuracy {samples:.1%}; disc_loss {loss:.3f}, a constant answer "
            f"{constant:.3f}"
        )
        if samples < _GOOD_SAMPLES:
            return Sign("fine", text)
        return below(1 - loss / constant, _LITTLE_GAIN, _ENOUGH_GAIN, text)


class ReplacedRate(HeldOutRule):
    """As many tokens are replaced as are masked and not filled right, or something is wrong."""

    name = "replaced-rate"
    title = "The share of replaced tokens does not match the generator's accuracy"
    meaning = (
        "A token is replaced if it was masked and the generator drew another one, so replaced_rate "
        "is about the masked share × (1 - sampled_masked_lm_accuracy). Where it is not, masks, "
        "samples or labels are not what they should be, and the discriminator learns from wrong "
        "labels."
    )
    advice = (
        "look at masked rows with `electra debug data DATA --examples 5`; with an objective or a "
        "sampler of your own, look there first"
    )

    @classmethod
    def applies(cls, facts: Facts) -> bool:
        """Only where the held-out rows are known, which say how noisy it is."""
        return facts.has_discriminator and bool(facts.validation_examples)

    def judge(self, line: Line) -> Sign | None:
        """How far the rate is from the expected one, as a share of it."""
        samples, rate = number(line, "sampled_masked_lm_accuracy"), number(line, "replaced_rate")
        if samples is None or rate is None:
            return None
        facts = self.facts
        # Lines of an older electra have no FLOPs, and are of rows masked as those of training.
        is_old = number(line, "flops") is None
        share = facts.mask_probability if is_old else held_out.MASK_PROBABILITY
        expected = _masked_share(facts, share)
        if not facts.is_electric:
            expected *= 1 - samples
        rows = facts.validation_examples or 0
        tokens = rows * facts.sequence_length * (1 - (facts.padding_share or 0.0))
        if expected * tokens < 1:
            return None
        noise = _DEVIATIONS / math.sqrt(expected * tokens)
        text = f"replaced_rate {rate:.1%}, expected {expected:.1%}"
        return above(abs(rate / expected - 1), _FAR + noise, _NEAR + noise, text)


def _masked_share(facts: Facts, share: float) -> float:
    """Distinct masked positions a token.

    The reference draws round(n·p) positions of a row of n tokens with replacement
    (pretrain_helpers.py), so that some come twice.
    """
    length = facts.sequence_length
    if facts.masking != "token" or facts.sampling != "reference":
        return share
    candidates = length - 3  # all but [CLS] and two [SEP]
    return candidates * (1 - (1 - 1 / candidates) ** (share * length)) / length
