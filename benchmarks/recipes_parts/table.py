"""Results as tables of Markdown, and in sentences."""

from __future__ import annotations

import math
import statistics
from collections.abc import Collection, Sequence

from electra_cli.errors import counted
from electra_cli.metrics.names import format_flops
from recipes_parts.compare import CONFIDENCE, Difference, difference, figure
from recipes_parts.results import Result

# Of the minutes that a run was to take; beyond, it was another comparison.
_OFF = 0.05


def text(
    results: Sequence[Result],
    reference: str,
    metrics: Sequence[str],
    minutes: float | None = None,
    fixed: Collection[str] = (),
) -> str:
    """All results: what each recipe has cost and reached, and how far it is from the reference.

    Args:
      results: Of all recipes, in their order.
      reference: The recipe that the others are compared with.
      metrics: Their names.
      minutes: What each run was to take in updates; None for runs of equal FLOPs.
      fixed: Recipes that do not take what the budget is.
    """
    names = list(dict.fromkeys(result.recipe for result in results))
    if not names:
        return "No run has finished yet."
    heads = ("recipe", "seeds", "steps", "FLOPs", "minutes", *metrics)
    parts = [_table(heads, [_reached(results, name, metrics) for name in names])]
    if minutes is not None and (
        off := _off(results, [name for name in names if name not in fixed], minutes)
    ):
        parts.append(off)
    others = [name for name in names if name != reference]
    apart = {
        (name, metric): difference(results, name, reference, metric)
        for name in others
        for metric in metrics
    }
    if reference in names and others:
        rows = [[name, *(_shown(apart[name, metric]) for metric in metrics)] for name in others]
        parts += [_table((f"less {reference}", *metrics), rows), _noise(list(apart.values()))]
    return "\n\n".join(parts)


def _off(results: Sequence[Result], names: Sequence[str], minutes: float) -> str:
    """Which recipes did not take what they were to take."""
    off = []
    for name in names:
        seconds = [r.seconds for r in results if r.recipe == name and r.seconds is not None]
        share = statistics.fmean(seconds) / (60 * minutes) - 1 if seconds else 0.0
        if abs(share) > _OFF:
            off.append(f"{name} {share:+.0%}")
    if not off:
        return ""
    return (
        f"**Not of equal wall clock**: against {minutes:g} minutes in updates, {', '.join(off)}. "
        "The machine was busier, or less busy, when their steps were measured than when they "
        "trained. Steps count as they were measured, of all recipes in turn: if the machine had "
        "nothing else to do then, the comparison stands; if it had, compare at equal --flops, or "
        "again in another --output."
    )


def _reached(results: Sequence[Result], name: str, metrics: Sequence[str]) -> list[str]:
    own = [result for result in results if result.recipe == name]
    done = [result for result in own if result.error is None]
    lost = f", {len(own) - len(done)} diverged" if len(done) < len(own) else ""
    row = [name, f"{len(own)}{lost}"]
    if done:
        seconds = [result.seconds for result in done if result.seconds is not None]
        row += [
            f"{statistics.fmean(result.steps for result in done):,.0f}",
            format_flops(statistics.fmean(result.flops for result in done)),
            f"{statistics.fmean(seconds) / 60:.1f}" if seconds else "–",
        ]
    else:
        row += ["–"] * 3
    for metric in metrics:
        found = figure(results, name, metric)
        spread = "" if math.isnan(found.deviation) else f" ± {found.deviation:.4f}"
        row.append(f"{found.mean:.4f}{spread}" if found.values else "–")
    return row


def _shown(found: Difference) -> str:
    if not found.pairs:
        return "–"
    if math.isnan(found.half):
        return f"{found.mean:+.4f} ({found.verdict})"
    shown = f"{found.mean:+.4f} ± {found.half:.4f}"
    return f"{shown}, {found.verdict}" if found.verdict != "not told apart" else shown


def _noise(apart: Sequence[Difference]) -> str:
    """What the differences are worth."""
    compared = [found for found in apart if not math.isnan(found.half)]
    told = [found for found in compared if found.verdict in ("better", "worse")]
    if not compared:
        return "One seed says nothing of noise: add --seeds."
    pairs = sorted({found.pairs for found in compared})
    by_chance = (1 - CONFIDENCE) * len(compared)
    return (
        "The first table has means ± standard deviations of the seeds, the second means of paired "
        f"differences ± half of Student's interval of {CONFIDENCE:.0%} over "
        f"{' or '.join(map(str, pairs))} pairs of one seed. A difference within it is not told "
        f"from noise, and not shown to be none. Of {counted(len(compared), 'comparison')} "
        f"{by_chance:.1f} would be outside by chance if nothing differed; {len(told)} "
        f"{'is' if len(told) == 1 else 'are'}. A recipe with another generator has other "
        "replacements to find, so that its disc_auc and masked_lm_loss answer another question: "
        "scores of tasks compare recipes."
    )


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [heads, ["---", *["--:"] * (len(heads) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
