"""Answers to questions in a text, as in SQuAD 1.1 and 2.0."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from electra_cli.finetuning.examples.example import Question
from electra_cli.finetuning.features import windows
from electra_cli.finetuning.features.answers import best_answers
from electra_cli.finetuning.features.encoded import Encoded
from electra_cli.finetuning.features.threshold import deciding, right_answers
from electra_cli.finetuning.features.threshold import predictions as answers_of
from electra_cli.finetuning.kinds.base import Outputs, Predictions, TaskKind
from electra_cli.metrics.scores import majority, squad
from electra_cli.metrics.scores.names import THRESHOLD, primary


class Questions(TaskKind):
    """A part of a text for each question, or nothing.

    Questions without an answer are scored as SQuAD 2.0 does, with a threshold of the null odds;
    where all have one, as 1.1 does.
    """

    @property
    def usual_metric(self) -> str:
        """F1 of words."""
        return primary("qa")

    @property
    def metrics(self) -> tuple[str, ...]:
        """See `metrics.scores.squad`, and the threshold that the scores are at."""
        return (*squad.names(answerable=False), THRESHOLD)

    def metrics_of(self, examples: Sequence[Question]) -> tuple[str, ...]:
        """Those of SQuAD 1.1 where every question has an answer."""
        answerable = all(right_answers(examples).values())
        return squad.names(answerable=True) if answerable else self.metrics

    def encode(self, examples: Sequence[Question], *, training: bool) -> Encoded:
        """Rows of windows; see `features.windows.encode`."""
        return windows.encode(examples, self.tokenizer, self.task, self.labels, training=training)

    def predictions(
        self,
        examples: Sequence[Question],
        encoded: Encoded,
        outputs: Outputs,
        threshold: float | None,
    ) -> Predictions:
        """The best answer of each question, and the others that were found."""
        found = best_answers(examples, encoded, outputs, self.task)
        answers = answers_of(found, threshold)
        records = [
            {
                "id": one.id,
                "prediction": answers[one.id],
                "null_odds": one.null_odds,
                "n_best": [
                    {
                        "text": answer.text,
                        "start": answer.start,
                        "score": answer.score,
                        "probability": answer.probability,
                    }
                    for answer in one.answers
                ],
            }
            for one in found
        ]
        odds = {one.id: one.null_odds for one in found}
        return Predictions([one.text for one in found], records, odds, threshold)

    def scores(self, examples: Sequence[Question], predictions: Predictions) -> dict[str, float]:
        """See `metrics.scores.squad`."""
        gold = right_answers(examples)
        texts = dict(zip(gold, predictions.values, strict=True))
        if all(gold.values()):
            return squad.scores(gold, texts, answerable=True)
        threshold, odds = predictions.threshold, predictions.null_odds
        if threshold is None:
            found = squad.scores(gold, texts, answerable=False, null_odds=odds)
            threshold = deciding(found, odds)
        found = squad.scores(gold, texts, answerable=False, null_odds=odds, threshold=threshold)
        return found | {THRESHOLD: threshold}

    def majority(self, train: Sequence[Question], dev: Sequence[Question]) -> dict[str, float]:
        """No answer, to any question."""
        del train
        gold = right_answers(dev)
        return majority.of_qa(gold, answerable=all(gold.values()))

    def threshold(self, scores: Mapping[str, float]) -> float | None:
        """The one that the scores are at; None where every question has an answer."""
        return scores.get(THRESHOLD)
