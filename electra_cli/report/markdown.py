"""A report as Markdown, for pull requests and papers: words and tables, no pictures."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Sequence

from electra_cli import __version__
from electra_cli.corpus.wordpiece.vocabulary import CLS, PAD, SEP
from electra_cli.files.redaction import visible
from electra_cli.report.cards import Card, cards_of
from electra_cli.report.differences import differences
from electra_cli.report.downstream import Downstream
from electra_cli.report.prose import spans
from electra_cli.report.record import RunRecord
from electra_cli.report.tables import facts, metrics
from electra_cli.report.tables.table import Table
from electra_cli.report.verdict import verdict
from electra_cli.runs.held_out import Sentence, Token

# What Markdown gives a meaning to; an underscore has none within a word.
_MARKS = re.compile(r"[\\`*\[\]|~]|(?<!\w)_|_(?!\w)")
_MOST_SENTENCES = 3
_SPECIAL = {PAD, CLS, SEP}  # held-out rows call them so, whatever the tokenizer does


def as_markdown(records: Sequence[RunRecord], downstream: Sequence[Downstream]) -> str:
    """Writes what is known of runs.

    Args:
      records: At least one.
      downstream: Scores of models that stand on them.
    """
    names = ", ".join(record.name for record in records)
    blocks = [f"<!-- electra {__version__} -->", f"# Report of {_text(names)}"]
    blocks += [_prose(verdict(record)) for record in records]
    blocks += [block for record in records for block in _findings(record)]
    heads = ("key", *(record.name for record in records))
    differing = [(key, *values) for key, values in differences(records)]
    tables = [
        metrics.evaluations(records),
        metrics.breakdowns(records),
        *map(metrics.downstream, downstream),
        Table("Where the runs differ", heads, differing, is_numbers=False),
        facts.trained(records),
        facts.data(records),
        facts.cost(records),
        *map(facts.changes, records),
    ]
    blocks += [_table(table) for table in tables if table is not None and table.rows]
    for record in records:
        blocks += _sentences(record)
    blocks.append("## How to repeat it")
    for record in records:
        commands = "\n".join(record.commands)
        fence = "`" * (1 + max((len(run) for run in re.findall(r"`+", commands)), default=2))
        blocks.append(f"{fence}sh\n{commands}\n{fence}")
    remarks = [text for record in records for text in record.remarks]
    blocks += ["\n".join(f"- {_text(remark)}" for remark in remarks)] * bool(remarks)
    return visible("\n\n".join(blocks)) + "\n"


def _findings(record: RunRecord) -> Iterator[str]:
    if record.findings:
        yield f"## Findings of {_text(record.name)}"
        yield "\n".join(map(_card, cards_of(record.findings)))


def _card(card: Card) -> str:
    finding = card.newest
    until = "" if finding.until is None else f" to {finding.until:,}"
    before = f"; before that {card.before}" if card.before else ""
    return (
        f"- **{_text(finding.title)}** (`{finding.name}`, from step {finding.since:,}{until}"
        f"{before}): {_prose(finding.evidence)}. {_prose(finding.meaning)} To try: "
        f"{_prose(finding.advice)}{'' if finding.advice.endswith('?') else '.'}"
    )


def _table(table: Table) -> str:
    sides = ["---", *(("--:" if table.is_numbers else "---") for _ in table.columns[1:])]
    lines = [_row(map(_text, table.columns)), _row(sides)]
    lines += [_row(map(_text, row)) for row in table.rows]
    parts = [f"## {_text(table.title)}", "\n".join(lines)]
    return "\n\n".join([*parts, _text(table.remark)] if table.remark else parts)


def _row(cells: Iterator[str] | Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _sentences(record: RunRecord) -> Iterator[str]:
    """A few held-out sentences; what was masked is bold, with what was put there behind it."""
    if record.held_out is None or not record.held_out.sentences:
        return
    yield f"## Held-out sentences of {_text(record.name)}"
    yield (
        f"At step {record.held_out.step:,}. Bold is what was masked; behind it stand what was put "
        "there, and how likely the discriminator found it replaced, if there is one."
    )
    some = record.held_out.sentences[:_MOST_SENTENCES]
    yield "\n".join(f"- {_sentence(sentence)}" for sentence in some)


def _sentence(sentence: Sentence) -> str:
    words = ""
    for token in sentence.tokens:
        if token.text not in _SPECIAL:
            space = "" if token.text.startswith("##") or not words else " "
            words += space + _token(token)
    return words


def _token(token: Token) -> str:
    text = _text(token.text.removeprefix("##"))
    if not token.masked:
        return text
    put = "=" if token.sampled in (token.text, None) else _text(str(token.sampled))
    suspicion = "" if token.suspicion is None else f" {token.suspicion:.0%}"
    return f"**{text}** ({put}{suspicion})"


def _prose(text: str) -> str:
    """Escapes a text; what stands between backticks is to be typed."""
    parts = spans(" ".join(text.split()))
    return "".join(f"`{part}`" if typed else _escaped(part) for part, typed in parts)


def _text(text: str) -> str:
    """Escapes a text, so that nothing in it is markup; it stays in one line."""
    return _escaped(" ".join(text.split()))


def _escaped(text: str) -> str:
    return _MARKS.sub(r"\\\g<0>", html.escape(text, quote=False))
