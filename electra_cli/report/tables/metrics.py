"""Tables of held-out metrics: over steps, of runs side by side, by groups of tokens."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from electra_cli.errors import counted
from electra_cli.metrics.names import BANDS, FLOPS, format_metric
from electra_cli.report.downstream import Downstream
from electra_cli.report.record import RunRecord
from electra_cli.report.tables.table import Table

_MOST_EVALUATIONS = 8  # that a table has room for


def evaluations(records: Sequence[RunRecord]) -> Table | None:
    """Held-out metrics: of one run over its steps, of several at the newest evaluation of each.

    Returns:
      None if there was no evaluation.
    """
    if len(records) == 1:
        steps = records[0].history.validation.steps  # [N]
        places = np.linspace(0, len(steps) - 1, min(len(steps), _MOST_EVALUATIONS)).round()
        columns = [(records[0], int(place)) for place in places]
        heads = [f"step {steps[place]:,}" for _, place in columns]
        whole = counted(len(steps), "evaluation")
        remark = f"{len(heads)} of {whole}; RUN/metrics.jsonl has all of them."
        remark = remark if len(heads) < len(steps) else ""
    else:
        columns = [(record, -1) for record in records if len(record.history.validation.steps)]
        heads = [f"{r.name}, step {r.history.validation.steps[-1]:,}" for r, _ in columns]
        remark = "The newest evaluation of each run."
    found = [_evaluation(record, place) for record, place in columns]
    names = dict.fromkeys(name for metrics in found for name in metrics if _is_whole(name))
    rows = [(name, *(format_metric(name, each.get(name)) for each in found)) for name in names]
    return Table("Held-out metrics", ("metric", *heads), rows, remark) if rows else None


def breakdowns(records: Sequence[RunRecord]) -> Table | None:
    """Metrics of groups of tokens at the newest evaluation of each run; None if there are none."""
    found = {
        record.name: _evaluation(record, -1)
        for record in records
        if len(record.history.validation.steps)
    }
    metrics = dict.fromkeys(
        name.partition("/")[0] for each in found.values() for name in each if not _is_whole(name)
    )
    columns = [(metric, run) for metric in metrics for run in found]
    heads = [f"{metric}, {run}" if len(records) > 1 else metric for metric, run in columns]
    rows = [
        (_band(band), *(format_metric(m, found[run].get(f"{m}/{band}")) for m, run in columns))
        for band in BANDS
    ]
    remark = (
        "A token's rank is by frequency in the held-out text, 1 the most frequent. "
        "n/a: there is no such token."
    )
    title = "By frequency, position and place in the word"
    return Table(title, ("tokens", *heads), rows, remark) if columns else None


def downstream(scores: Downstream) -> Table:
    """Scores of fine-tuned models."""
    has_cost = any(column.flops is not None for column in scores.columns)
    rows = [
        (
            column.label,
            *([format_metric(FLOPS, column.flops)] if has_cost else []),
            *(
                "n/a" if value is None else f"{value:.4f}"
                for value in (column.mean, column.standard_deviation)
            ),
            str(column.seeds),
            str(column.failed),
        )
        for column in scores.columns
    ]
    if scores.majority is not None:
        cost = ["–"] if has_cost else []
        rows.append(("majority baseline", *cost, f"{scores.majority:.4f}", "–", "–", "–"))
    heads = (
        "model",
        *(["FLOPs"] if has_cost else []),
        f"{scores.metric}, mean",
        "± deviation",
        "seeds",
        "failed",
    )
    of = f" on {scores.run}" if scores.run else ""
    return Table(f"{scores.task}{of}", heads, rows, " ".join(scores.verdict))


def _evaluation(record: RunRecord, place: int) -> dict[str, float]:
    columns = record.history.validation.columns
    return {name: float(values[place]) for name, values in columns.items() if name != "time"}


def _is_whole(name: str) -> bool:
    """Whether a metric is of all tokens."""
    return "/" not in name


def _band(band: str) -> str:
    """rank_1_to_100 -> 'rank 1 to 100'."""
    words = [f"{int(word):,}" if word.isdecimal() else word for word in band.split("_")]
    return " ".join(words)
