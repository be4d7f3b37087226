"""docs/guide/health.md against the findings that there are."""

from __future__ import annotations

import re
from pathlib import Path

from electra_cli.health import FINDINGS

PAGE = Path(__file__).parents[2] / "docs" / "guide" / "health.md"


def test_each_finding_is_explained() -> None:
    sections = re.split(r"^### ", PAGE.read_text(encoding="utf-8"), flags=re.M)[1:]
    explained = {section.split("\n")[0]: section for section in sections}
    assert explained.keys() == FINDINGS.keys()
    for section in explained.values():
        assert re.findall(r"^- (\w+):", section, flags=re.M) == ["Evidence", "Meaning", "Try"]
