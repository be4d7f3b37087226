"""Reports of runs whose files and names hold what no text and no number can be."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from electra_cli.report.record import read_record
from electra_cli.report.write import FORMATS, Format, write_report
from tests.report.made_run import end, finished, made_run, start

HALF, NOTHING, DIGITS = "a\ud800b", "a\0b", 10**400


def sentence(**values: Any) -> dict[str, Any]:
    """A held-out row of one token."""
    token = {"text": "the", "masked": True, "sampled": "a", "suspicion": 0.5}
    return {"row": 0, "tokens": [token | values]}


@pytest.mark.parametrize("format", FORMATS)
def test_hostile_files(tmp_path: Path, format: Format) -> None:
    lines = [*finished(200), start(200, 400.0, device=HALF, electra=NOTHING)]
    lines += [{"kind": "validation", "step": 300, "time": DIGITS, f"x/{HALF}": 0.5, HALF: DIGITS}]
    run = made_run(tmp_path / "run\udcff\u200f", [*lines, end(300, 500.0, f"{HALF} {NOTHING}")])
    rows = [sentence(text=text, sampled=text) for text in (HALF, NOTHING)]
    run.held_out.write_text(json.dumps({"format_version": 1, "step": 300, "sentences": rows}))
    path = tmp_path / f"report.{format}"
    write_report([read_record(run)], [], path, format)
    if format in ("html", "md"):
        text = path.read_text(encoding="utf-8")
        assert r"run\udcff\u200f" in text
        assert r"a\ud800b" in text
        assert r"a\x00b" in text
        assert "\0" not in text


@pytest.mark.parametrize("format", ["html", "md"])
@pytest.mark.parametrize(
    ("key", "value"),
    [("step", DIGITS), ("row", DIGITS), ("suspicion", DIGITS), ("suspicion", 1e308), ("row", -1)],
    ids=["step", "row", "digits", "large", "negative"],
)
def test_numbers_that_no_run_can_have(
    tmp_path: Path, format: Format, key: str, value: float
) -> None:
    """Sentences with one of them are left out, and that is told."""
    run = made_run(tmp_path / "run", finished(200))
    row = sentence(suspicion=value) if key == "suspicion" else sentence()
    content = {"format_version": 1, "step": 200, "sentences": [row]}
    (row if key == "row" else content)[key] = value
    run.held_out.write_text(json.dumps(content))
    record = read_record(run)
    assert record.held_out is None
    assert str(run.held_out) in record.remarks[0]
    write_report([record], [], tmp_path / f"report.{format}", format)
