from __future__ import annotations

import os
import resource
from pathlib import Path

import numpy as np
import pytest

from electra_cli.corpus.shards.rows import with_word_starts
from electra_cli.errors import DataError
from electra_cli.inputs.store import LostShardError, RowStore


def test_a_pickle_in_the_place_of_a_shard_is_not_loaded(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.array([{}], object))
    with pytest.raises(DataError, match=r"a\.npy is no shard"):
        RowStore([tmp_path / "a.npy"], 20)


def test_store_reads_across_shards(tmp_path: Path) -> None:
    begins_word = np.arange(100) % 3 == 1
    first = np.arange(60, dtype=np.uint16).reshape(3, 20)
    second = np.arange(60, 100, dtype=np.uint16).reshape(2, 20)
    np.save(tmp_path / "a.npy", with_word_starts(first, begins_word[first]))
    np.save(tmp_path / "b.npy", with_word_starts(second, begins_word[second]))
    store = RowStore([tmp_path / "a.npy", tmp_path / "b.npy"], 20)
    assert len(store) == 5
    chosen = np.array([4, 0, -1, 3, 2])
    expected = np.concatenate([first, second])[chosen]
    expected[2] = 0  # an empty row
    np.testing.assert_array_equal(store.gather(chosen), expected)
    ids, starts = store.gather_words(chosen)
    np.testing.assert_array_equal(ids, expected)
    np.testing.assert_array_equal(starts, begins_word[expected])
    padded = RowStore([tmp_path / "a.npy", tmp_path / "b.npy"], 20, pad_id=97)
    expected[2] = 97
    ids, starts = padded.gather_words(chosen)
    np.testing.assert_array_equal(ids, expected)
    assert not starts[2].any()


def test_a_shard_that_is_cut_or_gone_while_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.npy"
    rows = np.arange(2000, dtype=np.uint16).reshape(100, 20)
    np.save(path, with_word_starts(rows, np.zeros(rows.shape, bool)))
    store = RowStore([path], 20)
    os.truncate(path, path.stat().st_size - 10)
    np.testing.assert_array_equal(store.gather(np.arange(99)), rows[:99])
    with pytest.raises(LostShardError, match=r"a\.npy was cut: it ends before row 100"):
        store.gather(np.array([99]))
    path.unlink()
    np.testing.assert_array_equal(store.gather(np.array([7])), rows[[7]])


def test_more_shards_than_files_may_be_open_at_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    np.save(tmp_path / "a.npy", np.ones((3, 23), np.uint16))
    opened = set(Path("/proc/self/fd").iterdir())
    resource.setrlimit(resource.RLIMIT_NOFILE, (len(opened) + 50, hard))
    try:
        stores = [RowStore([tmp_path / "a.npy"] * 600, 20) for _ in range(2)]
        assert [len(store) for store in stores] == [1800, 1800]
        del stores
        resource.setrlimit(resource.RLIMIT_NOFILE, (len(opened) + 50, hard))
        monkeypatch.setattr(resource, "setrlimit", lambda *_: None)  # no more are allowed
        with pytest.raises(OSError, match="Too many open files"):
            RowStore([tmp_path / "a.npy"] * 600, 20)
        assert set(Path("/proc/self/fd").iterdir()) == opened
    finally:
        monkeypatch.undo()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
