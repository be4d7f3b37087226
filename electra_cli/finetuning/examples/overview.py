"""What splits hold, as plain numbers: counts, labels, lengths."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from electra_cli.config.finetune import TaskConfig
from electra_cli.finetuning.examples.checks import empty_texts, same_texts
from electra_cli.finetuning.examples.example import Sentence, Split
from electra_cli.finetuning.examples.labels import counts_of, each_label

_BINS = 10


@dataclass(frozen=True)
class SplitOverview:
    """What one file holds.

    Attributes:
      name: train, dev, dev_mismatched or predict.
      path: The file.
      examples: How many.
      words: How many of sentences of tagged words, else None.
      labels: Each with how often it occurs, in the order of their numbers, then those without a
        number; empty for numbers.
      numbers: The least, the mean and the greatest of a regression, else None.
      median_length: Tokens of an example, nothing cut off.
      longest: Tokens of the longest example.
      longer: Examples of more tokens than a row has: they are cut, and questions get several
        windows.
      share_longer: The same as a share of the examples.
      unknown: [UNK] as a share of the tokens of its rows.
      empty: Examples with a text without a token.
      same_as_train: Examples whose texts are in the training data too; 0 for that itself.
      found: See `Split`.
      notes: See `Split`.
    """

    name: str
    path: str
    examples: int
    words: int | None
    labels: tuple[tuple[str, int], ...]
    numbers: tuple[float, float, float] | None
    median_length: float
    longest: int
    longer: int
    share_longer: float
    unknown: float
    empty: int
    same_as_train: int
    found: tuple[tuple[str, str], ...]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class LengthBin:
    """How many examples have about so many tokens.

    Attributes:
      least: Tokens.
      most: Tokens, this number included.
      counts: By the split's name.
    """

    least: int
    most: int
    counts: dict[str, int]


@dataclass(frozen=True)
class Overview:
    """What all files hold.

    Attributes:
      splits: In the given order.
      max_length: Tokens of a row.
      lengths: About ten bins over the lengths of all splits.
    """

    splits: tuple[SplitOverview, ...]
    max_length: int
    lengths: tuple[LengthBin, ...]


def overview(
    splits: Sequence[Split],
    lengths: Mapping[str, npt.NDArray[np.int64]],
    unknown: Mapping[str, float],
    task: TaskConfig,
    labels: Sequence[str],
) -> Overview:
    """Counts what splits hold.

    Args:
      splits: The one called train is what the others are compared with.
      lengths: [examples] tokens of each example, nothing cut off, by the split's name.
      unknown: Share of the tokens that are [UNK], by the split's name.
      task: What is learned, and the length of rows.
      labels: In the order of their numbers.
    """
    train = next((split for split in splits if split.name == "train"), None)
    found = tuple(
        _overview(split, train, lengths[split.name], unknown[split.name], task, labels)
        for split in splits
    )
    of_splits = {split.name: lengths[split.name] for split in splits}
    return Overview(found, task.max_length, _bins(of_splits))


def _overview(
    split: Split,
    train: Split | None,
    lengths: npt.NDArray[np.int64],
    unknown: float,
    task: TaskConfig,
    labels: Sequence[str],
) -> SplitOverview:
    numbers, counted = None, counts_of(split)
    if task.kind == "regression":
        values = np.array(list(each_label(split)), np.float64)
        counted.clear()
        if len(values):
            numbers = float(values.min()), float(values.mean()), float(values.max())
    known = () if task.kind == "regression" else labels
    names = dict.fromkeys([*known, *sorted(counted)]) if counted else {}
    longer = int((lengths > task.max_length).sum())
    sentences = [example for example in split.examples if isinstance(example, Sentence)]
    is_compared = train is not None and split is not train
    return SplitOverview(
        name=split.name,
        path=str(split.path),
        examples=len(split.examples),
        words=sum(len(s.words) for s in sentences) if sentences else None,
        labels=tuple((name, counted[name]) for name in names),
        numbers=numbers,
        median_length=float(np.median(lengths)) if len(lengths) else 0.0,
        longest=int(lengths.max(initial=0)),
        longer=longer,
        share_longer=longer / max(1, len(lengths)),
        unknown=unknown,
        empty=len(empty_texts(split)),
        same_as_train=len(same_texts(split, train)) if train is not None and is_compared else 0,
        found=split.found,
        notes=split.notes,
    )


def _bins(lengths: Mapping[str, npt.NDArray[np.int64]]) -> tuple[LengthBin, ...]:
    """Bins of one whole width from the shortest example to the longest."""
    every = np.concatenate(list(lengths.values()))
    if not len(every):
        return ()
    least, most = int(every.min()), int(every.max())
    width = -(-(most - least + 1) // _BINS)
    edges = np.arange(least, most + width + 1, width)
    counts = {name: np.histogram(found, edges)[0] for name, found in lengths.items()}
    return tuple(
        LengthBin(
            int(edge), int(edge) + width - 1, {name: int(n[place]) for name, n in counts.items()}
        )
        for place, edge in enumerate(edges[:-1])
    )
