from __future__ import annotations

import hashlib

import numpy as np
import pytest

from electra_cli.corpus.shards.rows import (
    ShardWriter,
    ids_dtype,
    ids_of,
    input_mask,
    load_shard,
    row_width,
    segment_ids,
    with_word_starts,
    word_starts_of,
)


def writer(path, dtype, begins_word, **limits):
    return ShardWriter(
        path, "train", sequence_length=6, dtype=dtype, begins_word=begins_word, **limits
    )


@pytest.mark.parametrize(("vocab_size", "dtype"), [(65536, "uint16"), (65537, "uint32")])
def test_rows_are_padded_and_mapped_back(tmp_path, vocab_size, dtype):
    assert ids_dtype(vocab_size) == dtype
    begins_word = np.zeros(vocab_size, bool)
    begins_word[[7, 9]] = True
    path = tmp_path / "train-00000.npy"
    with writer(path, dtype, begins_word) as rows:
        assert rows.append(np.array([2, vocab_size - 1, 3], dtype).tobytes()) == 3
        assert rows.append(np.array([2, 9, 8, 7, 8, 3], dtype).tobytes()) == 0
        shard = rows.finish()
    data = path.read_bytes()
    assert (shard.rows, shard.bytes, shard.split) == (2, len(data), "train")
    assert shard.sha256 == hashlib.sha256(data).hexdigest()
    found = load_shard(path)
    assert isinstance(found, np.memmap)
    assert found.dtype.str == {"uint16": "<u2", "uint32": "<u4"}[dtype]
    assert found.shape == (2, row_width(6, dtype)) == (2, 7)
    expected = [[2, vocab_size - 1, 3, 0, 0, 0], [2, 9, 8, 7, 8, 3]]
    np.testing.assert_array_equal(ids_of(found, 6), expected)
    starts = word_starts_of(found, 6)
    assert starts.dtype == bool
    np.testing.assert_array_equal(starts, [[0] * 6, [0, 1, 0, 1, 0, 0]])


@pytest.mark.parametrize(("dtype", "length", "width"), [
    ("uint16", 8, 9), ("uint16", 16, 17), ("uint16", 17, 19), ("uint32", 128, 132),
])  # fmt: skip
def test_word_starts_of_any_length_come_back(dtype, length, width):
    rng = np.random.default_rng(0)
    begins_word = rng.random(50) < 0.5
    ids = rng.integers(0, 50, (20, length), dtype)
    rows = with_word_starts(ids, begins_word[ids])
    assert rows.shape == (20, width)
    np.testing.assert_array_equal(ids_of(rows, length), ids)
    np.testing.assert_array_equal(word_starts_of(rows, length), begins_word[ids])
    np.testing.assert_array_equal(word_starts_of(rows[3], length), begins_word[ids[3]])


def test_rows_go_to_disk_as_they_come(tmp_path):
    begins_word = np.ones(10, bool)
    examples = [np.array([2, number % 9, 3], "uint16").tobytes() for number in range(1000)]
    for name, limit in (("a", 2**20), ("b", 50)):
        with writer(tmp_path / name, "uint16", begins_word, buffered_bytes=limit) as rows:
            for example in examples:
                rows.append(example)
            assert len(rows._ids) < limit
            rows.finish()
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert load_shard(tmp_path / "a").shape == (1000, 7)


def test_without_rows_or_after_an_error_there_is_no_file(tmp_path):
    path = tmp_path / "train-00000.npy"
    path.write_bytes(b"of an earlier division")
    with writer(path, "uint16", np.ones(10, bool)) as rows:
        assert rows.finish() is None
    cut = writer(path, "uint16", np.ones(10, bool), buffered_bytes=1)
    with pytest.raises(KeyError), cut as rows:  # noqa: PT012
        rows.append(np.array([2, 7, 3], "uint16").tobytes())
        raise KeyError
    assert list(tmp_path.iterdir()) == []


def test_mask_and_segments_follow_from_the_ids():
    ids = np.array(
        [
            [2, 7, 3, 8, 9, 3, 0, 0],  # two segments
            [2, 7, 8, 9, 7, 8, 9, 3],  # one, full
            [2, 7, 3, 0, 0, 0, 0, 0],  # one, padded
            [2, 7, 3, 8, 8, 8, 8, 3],  # two, full
        ],
        dtype=np.uint16,
    )
    np.testing.assert_array_equal(
        segment_ids(ids, 3),
        [
            [0, 0, 0, 1, 1, 1, 0, 0],
            [0, 0, 0, 0, 0, 0, 0, 0],
            [0, 0, 0, 0, 0, 0, 0, 0],
            [0, 0, 0, 1, 1, 1, 1, 1],
        ],
    )
    np.testing.assert_array_equal(input_mask(ids).sum(axis=1), [6, 8, 3, 8])
    np.testing.assert_array_equal(segment_ids(ids[0], 3), segment_ids(ids, 3)[0])
    assert segment_ids(ids, 3).dtype == input_mask(ids).dtype == np.int32


def test_damaged_files_are_value_errors(tmp_path):
    path = tmp_path / "a.npy"
    np.save(path, np.ones((2, 8), np.uint16))
    whole = path.read_bytes()
    unclosed = whole.replace(b"(2, 8)", b"(2, 8 ")
    pickled = whole.replace(b"'<u2'", b"'|O' ")
    for damaged in (b"", b"PK\x03\x04 no archive", b"text", whole[:-1], unclosed, pickled):
        path.write_bytes(damaged)
        with pytest.raises(ValueError, match=r"\w"):
            load_shard(path)
