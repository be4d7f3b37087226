from __future__ import annotations

import numpy as np
import pytest

from electra_cli.corpus.duplicates.parts import PartsWriter, gathered, read_part
from tests.corpus.corpora import names_in

NUMBER = np.dtype("<u8")


@pytest.mark.parametrize("most_bytes", [1, 100, 10**6])
@pytest.mark.parametrize("parts", [1, 7, 70_000])
def test_a_part_has_its_records_in_their_order(tmp_path, parts, most_bytes):
    rng = np.random.default_rng(0)
    added = [np.arange(start, start + 40, dtype=NUMBER) for start in range(0, 400, 40)]
    of = [rng.integers(0, min(parts, 9), 40) for _ in added]
    with PartsWriter(tmp_path / "file", parts, NUMBER, most_bytes) as writer:
        for numbers, records in zip(of, added, strict=True):
            writer.add(numbers, records)
        assert names_in(tmp_path) != ["file"]
    assert names_in(tmp_path) == ["file"]
    together, numbers = np.concatenate(added), np.concatenate(of)
    for part in {0, min(parts, 10) - 1, parts - 1}:
        read = list(read_part(tmp_path / "file", part, NUMBER, most_bytes))
        assert all(len(some) <= max(most_bytes // 8, 1) for some in read)
        assert np.concatenate([[], *read]).tolist() == together[numbers == part].tolist()


def test_files_of_nothing(tmp_path):
    for parts in (0, 3):
        with PartsWriter(tmp_path / "file", parts, NUMBER, 100):
            pass
        assert (tmp_path / "file").stat().st_size == 8 * (parts + 1)
    assert list(read_part(tmp_path / "file", 2, NUMBER, 100)) == []


def test_a_file_is_there_whole_or_not_at_all(tmp_path):
    def write():
        with PartsWriter(tmp_path / "file", 1, NUMBER, 1) as writer:
            writer.add(np.zeros(3, int), np.zeros(3, NUMBER))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write()
    assert names_in(tmp_path) == []


def test_arrays_are_put_together_up_to_a_size():
    arrays = [np.arange(count, dtype=NUMBER) for count in (3, 3, 0, 9, 1)]
    assert [len(array) for array in gathered(arrays, 40)] == [3, 3, 9, 1]
    assert list(gathered([], 40)) == []
