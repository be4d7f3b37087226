from __future__ import annotations

import io
from itertools import pairwise
from zlib import crc32

import numpy as np
import pytest

from electra_cli.corpus.wordpiece.word_runs import HASHES, end_runs, is_whole, read_runs, write_run
from electra_cli.errors import TryAgainError

# The first two have the same hash.
WORDS = {"plumless": 3, "buckeroo": 2**40, "東": 7, "a": 1, "\U0001f600": 2, "wörld": 9}


def run(*runs):
    """The bytes of a file."""
    file = io.BytesIO()
    for words in runs:
        write_run(file, (list(words), np.array(list(words.values()), np.int64)))
    end_runs(file)
    return file.getvalue()


def read(path, *hashes):
    return [dict(zip(words, counts.tolist(), strict=True)) for words, counts in
            read_runs(path, *hashes)]  # fmt: skip


def test_the_order_of_words_does_not_matter():
    assert crc32(b"plumless") == crc32(b"buckeroo")
    assert run(WORDS) == run(dict(reversed(WORDS.items())))


@pytest.mark.parametrize("count", [1, 2, 3, 1000])
def test_ranges_hold_every_word_once(tmp_path, count):
    path = tmp_path / "runs"
    few = {"a": 5, "only": 1}
    path.write_bytes(run(WORDS, {}, few))
    assert read(path) == [WORDS, few]
    bounds = [HASHES * number // count for number in range(count + 1)]
    parts = [read(path, *pair) for pair in pairwise(bounds)]
    found = [item for part in parts for words in part for item in words.items()]
    assert sorted(found) == sorted([*WORDS.items(), *few.items()])
    for part, start, stop in zip(parts, bounds, bounds[1:], strict=False):
        assert all(start <= crc32(w.encode()) < stop for words in part for w in words)
    hashed = crc32("東".encode())
    assert read(path, hashed, hashed + 1) == [{"東": 7}]
    assert read(path, hashed + 1, hashed + 1) == []


@pytest.mark.parametrize("kept", [0, 1, 23, 30, -24, -23, -1])
def test_a_file_that_is_cut_off(tmp_path, kept):
    path = tmp_path / "runs"
    path.write_bytes(run({"a": 5}, WORDS))
    assert is_whole(path)
    path.write_bytes(path.read_bytes()[:kept])
    assert not is_whole(path)
    with pytest.raises(TryAgainError, match="runs is damaged") as caught:
        read(path)
    assert f"rm {path}, then" in caught.value.hint


def test_nothing(tmp_path):
    path = tmp_path / "runs"
    path.write_bytes(run({}))
    assert is_whole(path)
    assert read(path) == []
