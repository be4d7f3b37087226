"""Labelled files as rows: read, checked, looked over and encoded.

Shapes: N rows of a split.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from electra_cli.config.finetune import FinetuneConfig, TaskConfig
from electra_cli.config.nearest import did_you_mean
from electra_cli.corpus.preparation.plausibility import MOST_UNKNOWN
from electra_cli.corpus.subword.open import TextIds
from electra_cli.errors import ConfigError, DataError, counted
from electra_cli.finetuning.examples.checks import check
from electra_cli.finetuning.examples.example import Split
from electra_cli.finetuning.examples.labels import labels_of, scheme_of
from electra_cli.finetuning.examples.overview import Overview, overview
from electra_cli.finetuning.examples.readers import read_split
from electra_cli.finetuning.features.encoded import Encoded
from electra_cli.finetuning.kinds import kind_of
from electra_cli.finetuning.kinds.base import Outputs, Predictions, TaskKind
from electra_cli.inputs.labelled_rows import LabelledRows
from electra_cli.metrics.scores.names import ACCURACY, PER_LABEL, is_score

TRAIN, DEV = "train", "dev"


@dataclass(frozen=True)
class TaskData:
    """The data of a task.

    Attributes:
      kind: The kind of task with its labels.
      train: The training data.
      dev: What is scored; the first is what runs are compared by.
      encoded: By the name of a split.
      overview: What people look at before training.
      warnings: What is allowed and probably not meant, in sentences.
    """

    kind: TaskKind
    train: Split
    dev: tuple[Split, ...]
    encoded: Mapping[str, Encoded]
    overview: Overview
    warnings: tuple[str, ...]

    @property
    def rows(self) -> dict[str, LabelledRows]:
        """The rows to learn from, and those of all that is scored, one behind the other."""
        of_dev = [self.encoded[split.name].rows.columns for split in self.dev]
        joined = {name: np.concatenate([part[name] for part in of_dev]) for name in of_dev[0]}
        return {TRAIN: self.encoded[TRAIN].rows, DEV: LabelledRows(joined)}

    def score(self, outputs: Outputs) -> dict[str, float]:
        """The scores of all that is scored, from the outputs of its rows, [N, …] each.

        Those of the second split, if there is one, have its name before theirs: mismatched/….
        The first alone chooses a threshold, as the predictions for other files are decided by it.
        """
        found: dict[str, float] = {}
        threshold = None
        for split, of_split in self.parts(outputs):
            predictions = self.predictions(split, of_split, threshold)
            scores = self.kind.scores(split.examples, predictions)
            found |= {_named(split, name): value for name, value in scores.items()}
            if threshold is None:
                threshold = fixed(self.kind.threshold(scores))
        return found

    def parts(self, outputs: Outputs) -> Sequence[tuple[Split, Outputs]]:
        """The outputs of each split that is scored."""
        begin, parts = 0, []
        for split in self.dev:
            end = begin + len(self.encoded[split.name].rows)
            parts.append((split, {name: values[begin:end] for name, values in outputs.items()}))
            begin = end
        return parts

    def predictions(self, split: Split, outputs: Outputs, threshold: float | None) -> Predictions:
        """What the outputs of a split's rows say of its examples."""
        return self.kind.predictions(split.examples, self.encoded[split.name], outputs, threshold)

    def majority(self) -> float:
        """What it scores to say always what the training data says most often.

        A score that is not defined of that counts as 0, as one without anything right.
        """
        scores = self.kind.majority(self.train.examples, self.dev[0].examples)
        score = scores[self.kind.metric]
        return 0.0 if math.isnan(score) else score

    @property
    def metrics(self) -> tuple[str, ...]:
        """Names of all scores, in the order to show them."""
        return tuple(
            _named(split, name)
            for split in self.dev
            for name in self.kind.metrics_of(split.examples)
        )


def read_task(
    config: FinetuneConfig,
    files: Mapping[str, Path],
    tokenizer: TextIds,
    *,
    most_tokens: int = 512,
    skips_short_rows: bool = False,
    on_progress: Callable[[str], None] = lambda text: None,
) -> tuple[FinetuneConfig, TaskData]:
    """Reads, checks and encodes the data of a task.

    Args:
      config: Task and recipe.
      files: By the name of a split: train, dev, and other names that begin with dev_.
      tokenizer: That of the model.
      most_tokens: Of a row, as many as the model has positions.
      skips_short_rows: See `read_split`.
      on_progress: Receives what begins.

    Returns:
      The configuration with what only the data could say, and the data.

    Raises:
      ConfigError: Files of the format hold no data of the kind, no metric has that name, or a
        file has one that does not tell its scores apart.
      InputMissingError: A file is not there.
      DataError: A file cannot be used, or too much would be cut off.
    """
    for name, path in files.items():
        if name not in (TRAIN, DEV) and (prefix := _prefix(name)) in ("", *PER_LABEL):
            raise ConfigError(
                f"--dev {path}: a second file's scores have its name before theirs, as in "
                f"NAME/{ACCURACY}, and {prefix!r} will not do",
                hint="rename it",
            )
    task = config.task
    splits = []
    for name, path in files.items():
        on_progress(f"reading {path}")
        split = read_split(path, task, name=name, skips_short_rows=skips_short_rows)
        splits.append(split)
        if task.kind == "tagging" and name == TRAIN:  # other data is read in the same scheme
            config = config.replaced({"task.scheme": scheme_of(split, task)})
            task = config.task
    train, dev = splits[0], tuple(splits[1:])
    labels = labels_of(train, task, dev)
    warnings = check(train, dev, task, labels)
    kind = kind_of(task, labels, tokenizer)
    scores = [name for name in kind.metrics_of(dev[0].examples) if is_score(name)]
    if task.metric is not None and task.metric not in scores:
        raise ConfigError(
            f"task.metric {task.metric!r}: no score of this task",
            hint=did_you_mean(task.metric, scores, form="--set task.metric={}"),
        )
    encoded: dict[str, Encoded] = {}
    for split in splits:
        on_progress(f"encoding {counted(len(split.examples), 'example')} of {split.path}")
        encoded[split.name] = kind.encode(split.examples, training=split.name == TRAIN)
    _check_cut(encoded, splits, task, most_tokens)
    lengths = {name: of_split.lengths for name, of_split in encoded.items()}
    unknown = {name: one.unknown(tokenizer.special) for name, one in encoded.items()}
    name = tokenizer.tokens[tokenizer.special.unk or 0]
    warnings += [
        f"{split.path}: {unknown[split.name]:.1%} of the tokens are {name}: the vocabulary is not "
        "for this text, and scores will be low"
        for split in splits
        if unknown[split.name] > MOST_UNKNOWN
    ]
    looked = overview(splits, lengths, unknown, task, labels)
    return config, TaskData(kind, train, dev, encoded, looked, tuple(warnings))


def fixed(threshold: float | None) -> float:
    """The threshold of a model for other data; one that has none answers every question."""
    return math.inf if threshold is None else threshold


def _named(split: Split, score: str) -> str:
    """A score's name among those of all splits."""
    return score if split.name == DEV else f"{_prefix(split.name)}/{score}"


def _prefix(name: str) -> str:
    """What stands before the scores of a split that is not the first to score."""
    return name.removeprefix(DEV).removeprefix("_")


def _check_cut(
    encoded: Mapping[str, Encoded], splits: Sequence[Split], task: TaskConfig, most_tokens: int
) -> None:
    """Refuses a length at which too much is cut; the hint has one that is enough for all splits."""
    over = [s for s in splits if encoded[s.name].cut > task.most_cut * len(s.examples)]
    if not over:
        return
    path, cut, examples = over[0].path, encoded[over[0].name].cut, len(over[0].examples)
    fitting = max(
        int(np.quantile(encoded[s.name].lengths, 1 - task.most_cut / 2, method="higher"))
        for s in over
    )
    raise DataError(
        f"{path}: {cut:,} of {counted(examples, 'example')} ({cut / examples:.1%}) are longer than "
        f"task.max_length {task.max_length} and would be cut; task.most_cut allows "
        f"{task.most_cut:.1%}",
        hint=(f"--max-length {fitting}, or " if fitting <= most_tokens else "")
        + "--set task.most_cut=1 to train on what is left",
    )
