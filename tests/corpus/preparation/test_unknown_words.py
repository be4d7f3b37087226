"""The words with an [UNK] that came most often, counted in bounded memory."""

from __future__ import annotations

from collections import Counter
from typing import Any

from electra_cli.corpus.preparation import slices
from electra_cli.corpus.shards.manifest import load_manifest
from tests.corpus.corpora import write_text, write_vocabulary
from tests.prepared import prepare


def test_rare_unknown_words_give_way_to_new_ones(tmp_path, monkeypatch):
    sizes = []

    class Watched(Counter[str]):
        def update(self, *arguments: Any, **counts: int) -> None:
            super().update(*arguments, **counts)
            sizes.append(len(self))

    monkeypatch.setattr(slices, "Counter", Watched)
    monkeypatch.setattr(slices, "_MOST_UNKNOWN_WORDS", 20)
    monkeypatch.setattr(slices, "_BATCH_CHARACTERS", 1)  # a document at a time
    documents = [
        f"the zzz rare{number}a rare{number}b" + " yyy" * (number % 2) for number in range(200)
    ]
    path = write_text(tmp_path / "a.txt", [*documents, "x" * 100])
    vocab = write_vocabulary(tmp_path / "words.txt")
    prepare(path, tmp_path / "out", vocab=vocab, sequence_length=32, allow_unknown=True)
    found = load_manifest(tmp_path / "out").unknown_words
    assert list(found.items())[:2] == [("zzz", 200), ("yyy", 100)]
    assert found["x" * 64] == 1
    assert 20 < max(sizes) <= 20 + 4
    assert len(found) <= 20


def test_all_unknown_words_are_counted_below_the_bound(tmp_path):
    path = write_text(tmp_path / "a.txt", [f"the zzz rare{number} zzz" for number in range(90)])
    vocab = write_vocabulary(tmp_path / "words.txt")
    prepare(path, tmp_path / "out", vocab=vocab, sequence_length=32, allow_unknown=True)
    rare = {f"rare{number}": 1 for number in range(90)}
    assert load_manifest(tmp_path / "out").unknown_words == {"zzz": 180} | rare
