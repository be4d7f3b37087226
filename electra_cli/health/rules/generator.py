"""Findings about the network that fills masks: has it learned anything, or too much by heart?"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, ClassVar

from electra_cli.config.rules.batches import rows_before
from electra_cli.health.rule import Line, Rule, Sign, Spans, above, number

if TYPE_CHECKING:
    from electra_cli.health.facts import Facts

# Nats within which a mean loss is that of a guess: one of ten logged batches moves by about 0.05.
_NEAR = 0.05
# Nats by which it has to be better before it is another one.
_CLEAR = 0.2
# Updates after the warm-up that a healthy run may stay on the plateau: preset tiny on books has
# left it after 300, the published curve of preset small before 2,500.
_PATIENCE = 500
# Means in a row, and nats from the first of them to the last that are progress: small batches move
# a mean by as much.
_MEANS, _PROGRESS = 3, 0.05
# A text is worth reading about four times (Muennighoff et al. 2023, "Scaling Data-Constrained
# Language Models"); before that a rising held-out loss has another reason.
_FEW_EPOCHS = 4.0
# Nats by which a held-out loss is above its best, and within which it is back there.
_RISEN, _BACK = 0.05, 0.02


class NotBetterThanUniform(Rule):
    """After the warm-up the loss is still that of a guess among all word pieces."""

    name = "not-better-than-uniform"
    title = "The generator is no better than a guess among all word pieces"
    meaning = (
        "After the warm-up masked_lm_loss is still about ln V: the network has not even learned "
        "which word pieces are frequent, which takes a healthy run some hundred updates."
    )
    advice = (
        "raise `--learning-rate` to the preset's, or lower it if it is above; look at the rows "
        "with `electra debug data DATA`: are they text?"
    )
    begins_after: ClassVar = 2
    ends_after: ClassVar = 1

    def __init__(self, facts: Facts) -> None:
        super().__init__(facts)
        self._spans = Spans()
        self._uniform = facts.uniform_loss

    @classmethod
    def applies(cls, facts: Facts) -> bool:
        """Only where a network fills masks."""
        return facts.has_generator

    def see(self, line: Line) -> Sign | None:
        """Compares a mean of the training loss with ln V."""
        loss = number(line, "masked_lm_loss")
        if loss is None or line["step"] <= self.facts.settled_step:
            return None
        means = self._spans.add(line["step"], loss)
        if means is None:
            return None
        text = f"masked_lm_loss {means[0]:.2f}, a guess among all word pieces {self._uniform:.2f}"
        worst = self._uniform - _NEAR
        return above(means[0], worst, worst - _CLEAR, text)._replace(since=self._spans.first)


class UnigramPlateau(Rule):
    """The loss stands still at that of guessing by frequency."""

    name = "unigram-plateau"
    title = "The generator only guesses by frequency"
    meaning = (
        "masked_lm_loss stands still at the entropy of the word pieces' frequencies: the network "
        "answers every mask with the same frequent words and does not look at the text around it. "
        "Every run comes by here; a healthy one has left it soon after the warm-up."
    )
    advice = (
        "another `--learning-rate`: half or a third of it first, the preset's if it is below; with "
        "rows of little text (`electra debug data DATA`) prepare longer ones"
    )
    begins_after: ClassVar = 1
    ends_after: ClassVar = 1

    def __init__(self, facts: Facts) -> None:
        super().__init__(facts)
        self._spans = Spans()
        self._means: deque[tuple[int, float]] = deque(maxlen=_MEANS)

    @classmethod
    def applies(cls, facts: Facts) -> bool:
        """Only where a network fills masks, and the frequencies of held-out tokens are known."""
        return facts.has_generator and facts.unigram_loss is not None

    def see(self, line: Line) -> Sign | None:
        """Compares means of the training loss with the entropy, and with each other."""
        loss, unigram = number(line, "masked_lm_loss"), self.facts.unigram_loss
        if loss is None or unigram is None or line["step"] <= self.facts.warmup_steps + _PATIENCE:
            return None
        found = self._spans.add(line["step"], loss)
        if found is None:
            return None
        (mean,), means = found, self._means
        means.append((self._spans.first, mean))
        text = f"masked_lm_loss {mean:.2f}, guessing by frequency {unigram:.2f}"
        least, most = unigram - _NEAR, self.facts.uniform_loss - _NEAR
        if (
            len(means) == _MEANS
            and all(least <= one < most for _, one in means)
            and means[0][1] - mean < _PROGRESS
        ):
            return Sign("wrong", text, since=means[0][0])
        is_better = mean < unigram - _CLEAR
        return Sign("fine" if is_better else "between", text, since=self._spans.first)


class Overfitting(Rule):
    """The same rows came many times, and the held-out loss rises."""

    name = "overfitting"
    title = "The held-out loss rises while the same rows are read again and again"
    meaning = (
        "The network learns the training rows by heart: masked_lm_loss of the held-out rows is "
        "above the best it has been. More updates make it worse."
    )
    advice = (
        "stop here and use the best checkpoint (`--set train.best_metric=masked_lm_loss` keeps "
        "it); then fewer `--steps`, more text, a smaller model, or dropout "
        "(`--set model.hidden_dropout=0.1`)"
    )
    kinds: ClassVar = ("validation",)
    begins_after: ClassVar = 2
    ends_after: ClassVar = 2

    def __init__(self, facts: Facts) -> None:
        super().__init__(facts)
        self._best: tuple[float, int] | None = None

    @classmethod
    def applies(cls, facts: Facts) -> bool:
        """Only where a network fills masks, and the number of rows is known."""
        return facts.has_generator and bool(facts.examples)

    def see(self, line: Line) -> Sign | None:
        """Compares a held-out loss with the best so far."""
        loss = number(line, "masked_lm_loss")
        if loss is None:
            return None
        if self._best is None or loss < self._best[0]:
            self._best = (loss, line["step"])
        best, at = self._best
        epochs = rows_before(self.facts, line["step"]) / (self.facts.examples or 1)
        text = (
            f"held-out masked_lm_loss {loss:.2f}, best {best:.2f} at step {at:,}; each row was "
            f"read {epochs:.1f} times"
        )
        if epochs < _FEW_EPOCHS:
            return Sign("fine", text)
        return above(loss, best + _RISEN, best + _BACK, text)
