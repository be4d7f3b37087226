from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from electra_cli.corpus.shards.manifest import load_manifest
from electra_cli.corpus.shards.rows import load_shard
from electra_cli.corpus.wordpiece.vocabulary import load_vocabulary
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


def test_a_run_writes_what_its_last_evaluation_saw(trained: Path, data: Path) -> None:
    held_out = read_held_out(trained / "held-out.json")
    assert held_out is not None
    assert held_out.step == 12
    manifest = load_manifest(data)
    words = load_vocabulary(manifest.vocab_path)
    rows = np.concatenate([load_shard(path) for path in manifest.paths_of("validation")])  # [N, L]
    assert len(held_out.sentences) == 10
    assert [s.row for s in held_out.sentences] == [n * len(rows) // 10 for n in range(10)]
    masked, replaced, tokens = 0, 0, 0
    for sentence in held_out.sentences:
        ids = [i for i in rows[sentence.row, : manifest.sequence_length] if i]
        assert [token.text for token in sentence.tokens] == [words[i] for i in ids]
        for token in sentence.tokens:
            assert token.suspicion is not None
            assert 0 <= token.suspicion <= 1
            assert (token.sampled is not None) == token.masked
            assert not (token.masked and token.text in ("[CLS]", "[SEP]"))
            masked += token.masked
            replaced += token.sampled not in (None, token.text)
        tokens += len(sentence.tokens)
    assert 0.1 < masked / tokens < 0.2
    assert 0.8 * masked < replaced <= masked  # twelve steps teach little
