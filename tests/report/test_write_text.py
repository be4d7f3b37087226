"""The text of a report where a run's files hold what UTF-8 cannot."""

from __future__ import annotations

from pathlib import Path

import pytest

from electra_cli.report import markdown
from electra_cli.report.write import write_report


def test_half_a_pair_of_surrogates_is_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(markdown, "as_markdown", lambda records, downstream: "a\ud800b")
    write_report([], [], tmp_path / "report.md", "md")
    assert (tmp_path / "report.md").read_text(encoding="utf-8") == "a?b"
