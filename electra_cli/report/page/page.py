"""From what is known of runs to the page that shows it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from electra_cli import __version__
from electra_cli.errors import counted
from electra_cli.files.redaction import visible
from electra_cli.metrics.names import format_flops
from electra_cli.report.cards import Card, cards_of
from electra_cli.report.differences import differences
from electra_cli.report.downstream import Downstream
from electra_cli.report.page.sentences import Passage, levels, passage_of
from electra_cli.report.plots.along import Along
from electra_cli.report.plots.axes import DASHES, RUN_COLOURS
from electra_cli.report.plots.draw import svg_of
from electra_cli.report.plots.panels import Panel, panels
from electra_cli.report.prose import spans
from electra_cli.report.record import RunRecord
from electra_cli.report.tables import facts, metrics
from electra_cli.report.tables.table import Table
from electra_cli.report.verdict import sentences_of

_TEMPLATE = "report.html.jinja"
# What is typed, with the marks that touch it.
_TYPED = re.compile(r"[(\[{“]*<code>.*?</code>[)\]}”.,;:!?]*")


@dataclass(frozen=True)
class Run:
    """A run as the page shows it.

    Attributes:
      number: From 0.
      record: What is known of it.
      verdict: What there is to say of it, a sentence each.
      cards: What is wrong, then what was.
      meanings: What its newest evaluation is beside no learning at all, in words.
      passages: Held-out sentences.
      has_suspicion: Whether a discriminator has read them.
    """

    number: int
    record: RunRecord
    verdict: Sequence[str]
    cards: Sequence[Card]
    meanings: str
    passages: Sequence[Passage]
    has_suspicion: bool

    @property
    def is_wrong(self) -> bool:
        """Whether something still is."""
        return any(card.holds for card in self.cards)

    @property
    def colour(self) -> str:
        """The name of its colour."""
        return f"run-{self.number % RUN_COLOURS}"

    @property
    def dashes(self) -> int:
        """The number of its dashes."""
        return self.number % len(DASHES)


@dataclass(frozen=True)
class Picture:
    """A panel and its drawing, which is part of the page."""

    panel: Panel
    svg: Markup


def page_of(
    records: Sequence[RunRecord], downstream: Sequence[Downstream], along: Along = "steps"
) -> str:
    """Writes the page: all that is known of runs, those of a report laid over each other.

    Args:
      records: At least one.
      downstream: Scores of models that stand on them.
      along: What the horizontal axes of curves have.

    Returns:
      HTML. All texts in it are escaped, control characters too, and it loads nothing, as its own
      policy says.
    """
    pictures = [Picture(panel, Markup(svg_of(panel))) for panel in panels(records, along)]
    last = [
        *(facts.changes(record) for record in records),
        facts.trained(records),
        facts.data(records),
        facts.cost(records),
    ]
    html = (
        _environment()
        .get_template(_TEMPLATE)
        .render(
            version=__version__,
            runs=[_run(number, record) for number, record in enumerate(records)],
            pictures=pictures,
            roles={curve.role for picture in pictures for curve in picture.panel.curves},
            has_bands=any(
                not curve.points.is_exact for picture in pictures for curve in picture.panel.curves
            ),
            published={
                record.published.title: record.published for record in records if record.published
            },
            differences=_differences(records),
            evaluations=metrics.evaluations(records),
            breakdowns=metrics.breakdowns(records),
            downstream=[metrics.downstream(scores) for scores in downstream],
            facts=[table for table in last if table and table.rows],
            levels=levels(),
        )
    )
    return visible(html)


def _run(number: int, record: RunRecord) -> Run:
    sentences = record.held_out.sentences if record.held_out else ()
    meanings = "; ".join(record.baselines.sentences(record.newest))
    return Run(
        number,
        record,
        sentences_of(record),
        cards_of(record.findings),
        _sentence(meanings) if meanings else "",
        [passage_of(sentence) for sentence in sentences],
        any(token.suspicion is not None for s in sentences for token in s.tokens),
    )


def _differences(records: Sequence[RunRecord]) -> Table | None:
    if len(records) < 2:
        return None
    rows = [(key, *map(str, values)) for key, values in differences(records)]
    heads = ("key", *(record.name for record in records))
    return Table("Where the runs differ", heads, rows, is_numbers=False)


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "prose": _prose,
        "sentence": _sentence,
        "counted": counted,
        "flops": format_flops,
    }
    return environment


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}{'' if text.endswith('.') else '.'}"


def _prose(text: str) -> Markup:
    """Escapes a text; what stands between backticks is to be typed.

    A line ends neither behind a bracket that opens before it nor before a mark that follows it.
    """
    looks = (Markup("{}"), Markup("<code>{}</code>"))
    page = Markup("").join(looks[typed].format(part) for part, typed in spans(text))
    return Markup(_TYPED.sub(r'<span class="whole">\g<0></span>', str(page)))
