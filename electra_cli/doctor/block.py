"""What the doctor found as Markdown, to be pasted into a report of a bug."""

from __future__ import annotations

import re

from electra_cli.doctor.examine import Examination
from electra_cli.errors import counted
from electra_cli.training.devices.check import Check


def summary(examination: Examination) -> str:
    """How many checks found what: "1 problem, 2 notes"."""
    problems, notes = (len(examination.those(state)) for state in ("problem", "note"))
    return f"{counted(problems, 'problem')}, {counted(notes, 'note')}"


def as_markdown(examination: Examination, *, home: str = "") -> str:
    """One folded block; what is wrong comes first.

    Args:
      examination: What was found; without secrets, as `examine` gives it.
      home: The user's folder, which is shown as ~: its name is nobody's business.
    """
    order = ("problem", "note", "ok")
    rows = [_row(check) for state in order for check in examination.those(state)]
    text = "\n".join(
        [
            f"<details><summary>electra doctor: {summary(examination)}</summary>",
            "",
            "| | check | found |",
            "| --- | --- | --- |",
            *rows,
            "",
            "</details>",
            "",
        ]
    )
    return re.sub(rf"{re.escape(home)}(?=[/\s,;]|$)", "~", text) if len(home) > 1 else text


def _row(check: Check) -> str:
    cells = (check.state, f"{check.topic}: {check.name}", check.found)
    return f"| {' | '.join(map(_cell, cells))} |"


def _cell(text: str) -> str:
    """Text as it is, whatever it holds: no table, markup or HTML of its own."""
    return re.sub(r"([\\`*<>|\[\]&])", r"\\\1", text)
