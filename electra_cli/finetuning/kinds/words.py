"""Tags of words."""

from __future__ import annotations

from collections.abc import Sequence

from electra_cli.finetuning.examples.example import Sentence
from electra_cli.finetuning.features import words
from electra_cli.finetuning.features.encoded import Encoded
from electra_cli.finetuning.kinds.base import Outputs, Predictions, TaskKind
from electra_cli.metrics.scores import majority, tagging
from electra_cli.metrics.scores.names import primary


class Tagging(TaskKind):
    """A tag for each word, or spans of words."""

    @property
    def usual_metric(self) -> str:
        """F1 of spans, or accuracy where each word stands for itself."""
        return primary("tagging", self.task.scheme)

    @property
    def metrics(self) -> tuple[str, ...]:
        """See `metrics.scores.tagging`."""
        return tagging.names(self.labels, self.task.scheme)

    def encode(self, examples: Sequence[Sentence], *, training: bool) -> Encoded:
        """Rows of sentences; see `features.words.encode`."""
        return words.encode(examples, self.tokenizer, self.task, self.labels, training=training)

    def predictions(
        self,
        examples: Sequence[Sentence],
        encoded: Encoded,
        outputs: Outputs,
        threshold: float | None,
    ) -> Predictions:
        """The best tag of each word and its share; none for a word that was cut off."""
        del threshold
        tags = words.tags_of_words(examples, encoded, outputs["tags"], self.labels)
        records = [
            {
                "words": list(example.words),
                "prediction": found,
                "scores": [
                    round(share, 6) if tag is not None else None
                    for tag, share in zip(found, shares, strict=False)
                ],
            }
            for example, found, shares in zip(
                examples, tags, outputs["shares"].tolist(), strict=True
            )
        ]
        return Predictions(tags, records)

    def scores(self, examples: Sequence[Sentence], predictions: Predictions) -> dict[str, float]:
        """See `metrics.scores.tagging`."""
        gold = [example.tags or () for example in examples]
        return tagging.scores(gold, predictions.values, self.labels, self.task.scheme)

    def majority(self, train: Sequence[Sentence], dev: Sequence[Sentence]) -> dict[str, float]:
        """The most frequent tag of the training data."""
        of_train = [example.tags or () for example in train]
        of_dev = [example.tags or () for example in dev]
        return majority.of_tagging(of_train, of_dev, self.labels, self.task.scheme)
