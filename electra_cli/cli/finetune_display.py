"""How labelled data, a fine-tuning and its comparison look."""

from __future__ import annotations

import math
from collections.abc import Mapping
from contextlib import ExitStack
from typing import TYPE_CHECKING, Self

from electra_cli.cli.console import Terminal
from electra_cli.cli.display import print_outlook
from electra_cli.cli.progress import ProgressReporter
from electra_cli.errors import counted, listed
from electra_cli.metrics.scores.verdict import figure

if TYPE_CHECKING:
    from electra_cli.finetuning.columns import ColumnPlan
    from electra_cli.finetuning.examples.overview import Overview
    from electra_cli.finetuning.result import Comparison, SeedResult
    from electra_cli.interop.values import Report
    from electra_cli.runs.run_folder import Checkpoint
    from electra_cli.training.loop.listener import Progress
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
        found = "; ".join(f"{name}: {what}" for name, what in split.found)
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
        title = f"The first {_MOST_LABELS} of {len(labels):,} labels"
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
    terminal.table("Tokens of an example", ("tokens", *names, ""), rows)


def print_comparison(terminal: Terminal, comparison: Comparison) -> None:
    """All columns with their seeds, and what they say."""
    metric = comparison.metric
    rows: list[tuple[str, ...]] = []
    for column, found in zip(comparison.columns, comparison.spreads().values(), strict=True):
        rows.append(
            (
                column.label,
                figure(found.median, metric),
                f"{figure(found.mean, metric)} ± {_deviation(found.deviation, metric)}",
                figure(found.best, metric),
                f"{len(found.scores)}",
                listed([str(seed) for seed in found.failed], 5) if found.failed else "none",
            )
        )
    rows.append(("always the same answer", *[figure(comparison.majority, metric)] * 3, "", ""))
    heads = ("model", "median", "mean ± sd", "best", "seeds", "failed seeds")
    terminal.table(f"{comparison.title}: {metric}", heads, rows)
    for sentence in comparison.verdict():
        terminal.result(sentence)


def _deviation(value: float, metric: str) -> str:
    return "n/a" if math.isnan(value) else figure(value, metric)


def print_scores(
    terminal: Terminal, title: str, columns: Mapping[str, Mapping[str, float | None]]
) -> None:
    """Scores side by side, all that there are."""
    names = list(dict.fromkeys(name for scores in columns.values() for name in scores))
    rows = [
        (name, *(_shown(scores.get(name), name) for scores in columns.values())) for name in names
    ]
    terminal.table(title, ("score", *columns), rows)


def _shown(value: float | None, name: str) -> str:
    if value is None or math.isnan(value):
        return "n/a"
    return f"{value:,.0f}" if name.endswith("total") else figure(value, name)


class FinetuneDisplay:
    """Shows a fine-tuning while it goes: the listener of `finetuning.run`.

    Args:
      terminal: Where it is shown.
      metric: What runs are compared by.
    """

    def __init__(self, terminal: Terminal, metric: str) -> None:
        self._terminal, self._metric = terminal, metric
        self._stack = ExitStack()
        self._bar: ProgressReporter | None = None
        self._before, self._runs = 0, 1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    def outlook(self, outlook: Outlook) -> None:
        """Prints the numbers before step 1."""
        print_outlook(self._terminal, outlook)

    def begins(self, column: ColumnPlan, seed: int, number: int, runs: int, steps: int) -> None:
        """Starts the bar of a run."""
        self._stack.close()
        bar = self._terminal.progress(
            f"{column.label}, seed {seed} ({number} of {runs})", steps, counted=True
        )
        self._runs = runs - number
        self._bar = self._stack.enter_context(bar)
        self._bar.update(
            0, "compiling; this can take minutes" if number == 1 else "", left=math.nan
        )

    def resumed(self, checkpoint: Checkpoint) -> None:
        """Says where a run goes on."""
        self._terminal.note(f"resuming at step {checkpoint.step:,} from {checkpoint.prefix}")

    def initialized(self, report: Report) -> None:
        """Nothing: what a column begins from is in its name."""

    def progress(self, progress: Progress) -> None:
        """Advances the bar."""
        logs = progress.logs
        parts = [
            f"loss {logs['loss']:.4f}",
            f"{progress.rates.sequences_per_second:,.1f} seq/s",
            f"lr {logs['learning_rate']:.2e}",
            f"|g| {logs['gradient_norm']:.2f}",
            f"{100 * progress.rates.peak_share:.0f}% of peak",
        ]
        if self._runs:
            parts.append(f"then {counted(self._runs, 'run')}")
        if self._bar is not None:
            left = math.nan if progress.seconds_left is None else progress.seconds_left
            self._bar.update(progress.step, parts, left=left)

    def warn(self, text: str) -> None:
        """Says what failed."""
        self._terminal.warn(text)

    def evaluated(
        self,
        step: int,
        metrics: Mapping[str, float],
        before: tuple[int, Mapping[str, float]] | None,
    ) -> None:
        """Nothing: `finished` says it."""

    def finished(self, column: ColumnPlan, result: SeedResult) -> None:
        """Says what a run has scored."""
        self._stack.close()
        score = figure(result.score(self._metric), self._metric)
        self._terminal.note(f"{column.label}, seed {result.seed}: {self._metric} {score}")
