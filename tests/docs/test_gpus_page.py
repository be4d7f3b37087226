"""docs/guide/gpus.md against the failures that are known."""

from __future__ import annotations

import re

from electra_cli.training.devices.failures import FAILURES
from tests.docs.pages import DOCS


def test_each_failure_is_explained() -> None:
    page = (DOCS / "guide" / "gpus.md").read_text("utf-8")
    table = page.partition("## When something fails")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| (.+?) \| .+ \| (\d+) \|$", table, flags=re.M)
    known = {(failure.meaning, str(failure.error.exit_code)) for failure in FAILURES}
    assert set(rows) == known
