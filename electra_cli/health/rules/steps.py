"""Findings about single steps: losses that jump, gradients that grow, updates that were skipped."""

from __future__ import annotations

import math
from collections import deque
from typing import TYPE_CHECKING, ClassVar

from electra_cli.health.rule import Line, Rule, Sign, Spans, above, number

if TYPE_CHECKING:
    from electra_cli.health.facts import Facts

# Lines that a jump is measured against: their mean and deviation are known well enough.
_FEWEST, _MOST = 10, 20
# A jump is above the mean by this share of it, and by so many deviations, so that neither the noise
# of small batches nor the slow rise while the generator improves is one.
_JUMP, _RETURN = 0.08, 0.04
_DEVIATIONS = 5.0
# So many times the smallest mean since the warm-up.
_GROWN, _CALM = 3.0, 2.0
# Share by which the loss is above the best of so many means: a gradient may grow while losses fall.
_WORSE, _MEANS = 0.02, 5
# So many times the clip. Adam divides by the size of gradients, so that clipping them all to the
# same size does no harm; healthy runs of preset tiny are at 5 to 20 times the clip.
_FAR_ABOVE = 50.0
# Skipped steps among the last ones; more than ten of a thousand end a run.
_SKIPPED, _WITHIN = 3, 1000


class LossSpike(Rule):
    """The loss has jumped and stays there for some lines."""

    name = "loss-spike"
    title = "The loss has jumped"
    meaning = (
        "total_loss is far above what it was over the last lines, for more than a single batch: "
        "an update was too large, or the text is another one here. Most runs recover; from a run "
        "that does not the weights are lost."
    )
    advice = (
        "wait for it to end; if it does not, or comes again, start a new run with a lower "
        "`--learning-rate` or a longer warm-up (`optimizer.warmup_steps`)"
    )

    def __init__(self, facts: Facts) -> None:
        super().__init__(facts)
        self._usual: deque[float] = deque(maxlen=_MOST)

    def see(self, line: Line) -> Sign | None:
        """Compares a loss with those before it that were no jump."""
        loss, usual = number(line, "total_loss"), self._usual
        if loss is None:
            return None
        if len(usual) < _FEWEST:
            usual.append(loss)
            return None
        mean = sum(usual) / len(usual)
        deviation = math.sqrt(sum((value - mean) ** 2 for value in usual) / len(usual))
        least = max(_JUMP * mean, _DEVIATIONS * deviation)
        text = f"total_loss {loss:.2f}, over the lines before {mean:.2f} ± {deviation:.2f}"
        sign = above(loss, mean + least, mean + least * _RETURN / _JUMP, text)
        if sign.state == "fine":
            usual.append(loss)
        return sign


class GradientRising(Rule):
    """The gradient norm grows while the loss becomes worse."""

    name = "gradient-rising"
    title = "The gradient grows while the loss does not fall"
    meaning = (
        "gradient_norm is several times what it was, and total_loss rises: so runs look before "
        "they diverge."
    )
    advice = "a lower `--learning-rate`; the last checkpoint before it began is the one to keep"
    begins_after: ClassVar = 2
    ends_after: ClassVar = 2

    def __init__(self, facts: Facts) -> None:
        super().__init__(facts)
        self._spans = Spans()
        self._least = math.inf
        self._losses: deque[float] = deque(maxlen=_MEANS)

    def see(self, line: Line) -> Sign | None:
        """Compares a mean of the norm with the smallest, and one of the loss with the last ones."""
        norm, loss = number(line, "gradient_norm"), number(line, "total_loss")
        if norm is None or loss is None or line["step"] <= self.facts.warmup_steps:
            return None
        means = self._spans.add(line["step"], norm, loss)
        if means is None:
            return None
        mean_norm, mean_loss = means
        self._least = min(self._least, mean_norm)
        self._losses.append(mean_loss)
        best = min(self._losses)
        text = (
            f"gradient_norm {mean_norm:.2f}, at its least {self._least:.2f}; total_loss "
            f"{mean_loss:.2f}, shortly before {best:.2f}"
        )
        sign = above(mean_norm, _GROWN * self._least, _CALM * self._least, text)
        if sign.state == "wrong" and mean_loss < best * (1 + _WORSE):
            sign = Sign("between", text)
        return sign._replace(since=self._spans.first)


class GradientClipped(Rule):
    """Nearly all of the gradient is cut off, most of the time."""

    name = "gradient-clipped"
    title = "The gradient is far above the clip most of the time"
    meaning = (
        "gradient_norm is many times optimizer.clip_norm, so that every update goes one short way "
        "whatever the batch says."
    )
    advice = (
        "a lower `--learning-rate`, if the losses are bad; else `--set optimizer.clip_norm=1.0`, "
        "the reference's, if it was lowered"
    )
    begins_after: ClassVar = 1
    ends_after: ClassVar = 1

    def __init__(self, facts: Facts) -> None:
        super().__init__(facts)
        self._far: deque[bool] = deque(maxlen=_MOST)

    def see(self, line: Line) -> Sign | None:
        """Counts the lines far above the clip among the last ones."""
        norm = number(line, "gradient_norm")
        if norm is None or line["step"] <= self.facts.settled_step:
            return None
        self._far.append(norm > _FAR_ABOVE * self.facts.clip_norm)
        if len(self._far) < _MOST:
            return None
        count = sum(self._far)
        text = (
            f"gradient_norm {norm:.1f}; more than {_FAR_ABOVE:g} times the clip of "
            f"{self.facts.clip_norm:g} in {count} of the last {_MOST} lines"
        )
        return above(count, 0.7 * _MOST, 0.3 * _MOST, text)


class SkippedSteps(Rule):
    """Some steps were not finite, and changed nothing."""

    name = "skipped-steps"
    title = "Steps are skipped because they are not finite"
    meaning = (
        "Loss or gradient was infinite or not a number, so these steps changed nothing. One is no "
        f"harm; more than ten of {_WITHIN:,} end the run."
    )
    advice = "a lower `--learning-rate`, or `--precision float32`"
    kinds: ClassVar = ("start", "train")
    begins_after: ClassVar = 1
    ends_after: ClassVar = 1

    def __init__(self, facts: Facts) -> None:
        super().__init__(facts)
        self._counted = 0
        self._skipped: deque[tuple[int, int]] = deque()

    def see(self, line: Line) -> Sign | None:
        """Adds up what was skipped among the last steps; each process counts from 0."""
        if line["kind"] == "start":
            self._counted = 0
            return None
        total, step = number(line, "skipped_steps"), line["step"]
        if total is None:
            return None
        new = int(total) - self._counted
        self._counted = int(total)
        if new > 0:
            self._skipped.append((step, new))
        while self._skipped and self._skipped[0][0] <= step - _WITHIN:
            self._skipped.popleft()
        count = sum(number for _, number in self._skipped)
        text = f"{count} of the last {min(step, _WITHIN):,} steps"
        since = self._skipped[0][0] if count else step
        return above(count, _SKIPPED, 1, text)._replace(since=since)
