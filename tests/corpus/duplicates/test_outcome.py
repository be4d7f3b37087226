from __future__ import annotations

import pytest

from electra_cli.corpus.duplicates.outcome import (
    DuplicateOptions,
    load_duplicates,
    without_duplicates,
)
from electra_cli.corpus.duplicates.search import finish
from electra_cli.corpus.shards.counts import Counts
from electra_cli.errors import ConfigError, DataError
from tests.corpus.duplicates.searching import EXACT, PARAGRAPHS, deduplicate, random_slices


def test_a_finished_search_is_found_only_with_its_options_and_whole(tmp_path):
    slices = random_slices()
    deduplicate(slices, tmp_path, PARAGRAPHS)
    found = load_duplicates(tmp_path, 5, PARAGRAPHS)
    assert found == finish(tmp_path, 5, PARAGRAPHS)
    assert load_duplicates(tmp_path, 4, PARAGRAPHS) is None
    assert load_duplicates(tmp_path, 5, EXACT) is None
    (tmp_path / "drop-documents-00001.bin").unlink()
    assert load_duplicates(tmp_path, 5, PARAGRAPHS) is None


@pytest.mark.parametrize(
    "changed",
    [
        [["a"], ["b", "c"]],
        [["a"], ["b", "c"], ["d"], ["e"]],
        [["a"], ["b", "c"], ["d", "e"]],
        [["a"], ["b"], ["d"]],
    ],
)
def test_input_that_changed_since_is_noticed(tmp_path, changed):
    slices = [[["a"], ["b", "c"], ["d"]]]
    deduplicate(slices, tmp_path, PARAGRAPHS)
    reading = without_duplicates(changed, 0, folder=tmp_path, counts=Counts())
    with pytest.raises(DataError, match="slice 0 is no longer what was scanned") as caught:
        list(reading)
    assert caught.value.hint


def test_damaged_outcome_is_noticed(tmp_path):
    deduplicate([[["a"], ["b"]]], tmp_path)
    (tmp_path / "drop-documents-00000.bin").write_bytes(b"\0\1")
    reading = without_duplicates([["a"]], 0, folder=tmp_path, counts=Counts())
    with pytest.raises(DataError, match=r"drop-documents-00000\.bin is damaged"):
        list(reading)


def test_impossible_thresholds():
    for threshold in (0.0, 0.29, 0.96, float("nan")):
        with pytest.raises(ConfigError, match=f"is {threshold}; it must be"):
            DuplicateOptions(near_duplicates=threshold)
