from __future__ import annotations

import hashlib

import numpy as np
import pytest

from electra_cli.corpus.shards import Rows, ids_dtype, input_mask, load_shard, segment_ids


@pytest.mark.parametrize(("vocab_size", "dtype"), [(65536, "uint16"), (65537, "uint32")])
def test_rows_are_padded_and_mapped_back(tmp_path, vocab_size, dtype):
    assert ids_dtype(vocab_size) == dtype
    rows = Rows(6, dtype)
    assert rows.append([2, vocab_size - 1, 3]) == 3
    assert rows.append([2, 9, 3, 8, 8, 3]) == 0
    shard = rows.write(tmp_path, "train-00000.npy", "train")
    data = (tmp_path / "train-00000.npy").read_bytes()
    assert (shard.rows, shard.bytes, shard.split) == (2, len(data), "train")
    assert shard.sha256 == hashlib.sha256(data).hexdigest()
    ids = load_shard(tmp_path / shard.file)
    assert isinstance(ids, np.memmap)
    assert ids.dtype.str == {"uint16": "<u2", "uint32": "<u4"}[dtype]
    np.testing.assert_array_equal(ids, [[2, vocab_size - 1, 3, 0, 0, 0], [2, 9, 3, 8, 8, 3]])


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
