"""How labelled data, a fine-tuning and its comparison look."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

from electra_cli.cli.screen.console import Terminal
from electra_cli.cli.screen.training import COMPILING, TrainingDisplay, print_outlook
from electra_cli.errors import counted, listed
from electra_cli.metrics.names import FLOPS, format_metric
from electra_cli.metrics.scores.names import is_count, label_of, plain
from electra_cli.metrics.scores.verdict import figure

if TYPE_CHECKING:
    from electra_cli.finetuning.columns import ColumnPlan
    from electra_cli.finetuning.examples.overview import Overview
    from electra_cli.finetuning.result import Comparison, SeedResult
    from electra_cli.training.plan.outlook import Outlook

_BAR_WIDTH = 32
_MOST_LABELS = 30


def print_overview(terminal: Terminal, overview: Overview) -> None:
    """What labelled files hold: counts, labels, lengths, what is cut."""
    splits = overview.splits
    names = [split.name for split in splits]
    rows = [
        ("examples", *(f"{split.examples:,}" for split in splits)),
        ("median tokens", *(f"{split.median_length:,.0f}" for split in splits)),
        ("most tokens", *(f"{split.longest:,}" for split in splits)),
        (
            f"longer than {overview.max_length}",
            *(f"{split.longer:,} ({split.share_longer:.1%})" for split in splits),
        ),
        ("[UNK] of the tokens", *(f"{split.unknown:.1%}" for split in splits)),
        ("empty texts", *(f"{split.empty:,}" for split in splits)),
        ("same text as in train", *(f"{split.same_as_train:,}" for split in splits)),
    ]
    if splits[0].words is not None:
        rows.insert(1, ("words", *(f"{split.words:,}" for split in splits)))
    if splits[0].numbers is not None:
        spans = [split.numbers or (math.nan,) * 3 for split in splits]
        rows.append(("least … mean … greatest", *(" … ".join(f"{n:g}" for n in s) for s in spans)))
    terminal.table("Labelled data", ("", *names), rows)
    for split in splits:
        found = "; ".join(
            what if name == "format" else f"{name}: {what}" for name, what in split.found
        )
        terminal.result(f"{split.name}: {split.path}" + (f" ({found})" if found else ""))
        for note in split.notes:
            terminal.warn(f"{split.path}: {note}")
    _print_labels(terminal, overview)
    _print_lengths(terminal, overview)


def _print_labels(terminal: Terminal, overview: Overview) -> None:
    counts = [dict(split.labels) for split in overview.splits]
    labels = list(dict.fromkeys(label for of_split in counts for label in of_split))
    if not labels:
        return
    totals = [sum(of_split.values()) or 1 for of_split in counts]
    rows = [
        (
            label,
            *(
                f"{of_split.get(label, 0):,} ({of_split.get(label, 0) / total:.1%})"
                for of_split, total in zip(counts, totals, strict=True)
            ),
        )
        for label in labels[:_MOST_LABELS]
    ]
    title = "Labels"
    if len(labels) > _MOST_LABELS:
        title = f"The first {_MOST_LABELS} of {counted(len(labels), 'label')}"
    terminal.table(title, ("label", *(split.name for split in overview.splits)), rows)


def _print_lengths(terminal: Terminal, overview: Overview) -> None:
    most = max((sum(one.counts.values()) for one in overview.lengths), default=1) or 1
    rows = [
        (
            f"{one.least:,}–{one.most:,}",
            *(f"{one.counts.get(split.name, 0):,}" for split in overview.splits),
            "█" * round(_BAR_WIDTH * sum(one.counts.values()) / most),
        )
        for one in overview.lengths
    ]
    names = [split.name for split in overview.splits]
    terminal.table("Tokens of an example", ("tokens", *names, ""), rows, left=(0, len(names) + 1))


def print_comparison(terminal: Terminal, comparison: Comparison) -> None:
    """All columns with their seeds, and what they say."""
    metric = comparison.metric
    rows: list[tuple[str, ...]] = []
    has_cost = any(column.flops is not None for column in comparison.columns)
    for column, found in zip(comparison.columns, comparison.spreads().values(), strict=True):
        rows.append(
            (
                column.label,
                *([format_metric(FLOPS, column.flops)] if has_cost else []),
                figure(found.median, metric),
                f"{figure(found.mean, metric)} ± {_deviation(found.deviation, metric)}",
                figure(found.best, metric),
                f"{len(found.scores)}",
                listed([str(seed) for seed in found.failed], 5) if found.failed else "none",
            )
        )
    majority = [figure(comparison.majority, metric)] * 3
    rows.append(("always the same answer", *([""] if has_cost else []), *majority, "", ""))
    cost = ["FLOPs"] if has_cost else []
    heads = ("model", *cost, "median", "mean ± sd", "best", "seeds", "failed seeds")
    terminal.table(f"{comparison.title}: {metric}", heads, rows)
    for sentence in comparison.verdict():
        terminal.result(sentence)


def _deviation(value: float, metric: str) -> str:
    return "n/a" if math.isnan(value) else figure(value, metric)


def print_scores(
    terminal: Terminal, title: str, columns: Mapping[str, Mapping[str, float | None]]
) -> None:
    """Scores side by side, those of single labels of the first labels alone."""
    names = list(dict.fromkeys(name for scores in columns.values() for name in scores))
    labels = list(dict.fromkeys(label for name in names if (label := label_of(name)) is not None))
    left_out = set(labels[_MOST_LABELS:])
    rows = [
        (name, *(_shown(scores.get(name), name) for scores in columns.values()))
        for name in names
        if label_of(name) not in left_out
    ]
    terminal.table(title, ("score", *columns), rows)
    if left_out:
        terminal.result(f"{counted(len(left_out), 'more label')}: --json has the scores of all")


def _shown(value: float | None, name: str) -> str:
    if value is None or math.isnan(value):
        return "n/a"
    return f"{value:,.0f}" if is_count(name) else figure(value, plain(name))


class FinetuneDisplay(TrainingDisplay):
    """Shows a fine-tuning while it goes: the listener of `finetuning.run`.

    Args:
      terminal: Where it is shown.
      metric: What runs are compared by.
    """

    def __init__(self, terminal: Terminal, metric: str) -> None:
        super().__init__(terminal, {"loss": "loss"})
        self._metric = metric

    def outlook(self, outlook: Outlook) -> None:
        """Prints the numbers before step 1."""
        print_outlook(self.terminal, outlook)

    def begins(self, column: ColumnPlan, seed: int, number: int, runs: int, steps: int) -> None:
        """Starts the bar of a run."""
        left = runs - number
        self.last = f"then {counted(left, 'run')}" if left else ""
        description = f"{column.label}, seed {seed} ({number} of {runs})"
        self.start_bar(description, 0, steps, COMPILING if number == 1 else ())

    def evaluated(
        self,
        step: int,
        metrics: Mapping[str, float],
        before: tuple[int, Mapping[str, float]] | None,
    ) -> None:
        """Nothing: `finished` says it."""

    def finished(self, column: ColumnPlan, result: SeedResult) -> None:
        """Says what a run has scored."""
        self.end_bar()
        score = figure(result.score(self._metric), self._metric)
        self.terminal.note(f"{column.label}, seed {result.seed}: {self._metric} {score}")
