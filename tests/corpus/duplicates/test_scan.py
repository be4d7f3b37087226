from __future__ import annotations

import pytest

from electra_cli.corpus.duplicates.scan import finished_scan, scan_slice
from tests.corpus.corpora import folder_bytes, names_in
from tests.corpus.duplicates.searching import EXACT, PARAGRAPHS, random_slices


def test_a_finished_slice_is_not_read_again(tmp_path):
    slices = random_slices()
    first = scan_slice(slices[0], 0, folder=tmp_path, options=PARAGRAPHS)
    before = folder_bytes(tmp_path)

    def unread():
        raise AssertionError
        yield

    assert scan_slice(unread(), 0, folder=tmp_path, options=PARAGRAPHS) == first
    assert folder_bytes(tmp_path) == before
    assert finished_scan(tmp_path, 1, PARAGRAPHS) is None
    assert finished_scan(tmp_path, 0, EXACT) is None
    (tmp_path / "paragraphs-00000.bin").write_bytes(b"short")
    assert finished_scan(tmp_path, 0, PARAGRAPHS) is None
    scan_slice(slices[0], 0, folder=tmp_path, options=PARAGRAPHS)
    assert folder_bytes(tmp_path) == before


def test_an_interrupted_slice_leaves_nothing_behind(tmp_path):
    def interrupted():
        yield ["a"]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        scan_slice(interrupted(), 0, folder=tmp_path, options=PARAGRAPHS)
    assert names_in(tmp_path) == []
