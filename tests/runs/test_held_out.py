from __future__ import annotations

import json
from pathlib import Path

import pytest

from electra_cli.errors import DataError
from electra_cli.runs.held_out import HeldOut, Sentence, Token, read_held_out, write_held_out

WRITTEN = HeldOut(
    12,
    [
        Sentence(0, [Token("the", False, None, 0.25), Token("##s", True, "cat", 1.0)]),
        Sentence(7, [Token("é<script>", True, "the", None)]),
    ],
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "held-out.json"


def test_what_was_written_is_read(path: Path) -> None:
    assert read_held_out(path) is None
    for held_out in (HeldOut(4, []), WRITTEN):
        write_held_out(path, held_out)
        assert read_held_out(path) == held_out
    assert [file.name for file in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"format_version": 2}, "format version 2"),
        ({"step": "x"}, "is damaged: step"),
        ({"sentences": [{"row": 0, "tokens": [{"text": "a"}]}]}, "is damaged: sentences.0.tokens"),
    ],
)
def test_what_cannot_be_read_is_told(path: Path, change: dict[str, object], words: str) -> None:
    write_held_out(path, WRITTEN)
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(DataError, match=words) as caught:
        read_held_out(path)
    assert f"delete {path}" in caught.value.hint
