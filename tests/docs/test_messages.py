"""The page of common mistakes holds what the code says, and a cure for it."""

from __future__ import annotations

from pathlib import Path

from tests.docs.pages import generator

PAGES = generator()
SOURCE = """
from electra_cli.errors import DataError

class BrokenError(DataError):
    pass

_HINT = "copy it again"

def read(path, size, error):
    what = f"{path} has {size:,} bytes"
    if size:
        raise BrokenError(f"{what}: " + f"not {size + 1}", hint=_HINT)
    raise DataError(error.message, hint=error.hint)

def look():
    return Fault("json", 1, "no text", hint="say which"), Implausible("odd", "really?")
"""


def test_texts_are_read_from_the_source(tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text(SOURCE)
    found = PAGES["messages"](tmp_path)
    assert [(m.text, m.hint, m.exit_code) for m in found] == [
        ("PATH has SIZE bytes: not …", "copy it again", 65),
        ("no text", "say which", 65),
        ("odd", "really?", None),
    ]
    assert {m.file for m in found} == {Path("broken.py")}


def test_the_page_leads_from_messages_to_cures() -> None:
    page = PAGES["pages"]()["reference/common-mistakes.md"]
    rows = [line.split(" | ") for line in page.splitlines() if line.startswith("| ")]
    cures = {row[0].removeprefix("| "): row[2] for row in rows}
    assert "prepare-data INPUT --output DIR" in cures["a run needs prepared data"]
    assert (
        "--no-lowercase"
        in cures[
            "the vocabulary has capital letters and so is a cased one, but the text is lower-cased"
        ]
    )
    assert len(cures) > 200
