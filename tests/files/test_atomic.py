from __future__ import annotations

import multiprocessing
import os
import stat
from pathlib import Path

import pytest

from electra_cli.errors import TryAgainError
from electra_cli.files.atomic import (
    atomic_write_bytes,
    atomic_write_text,
    locked_folder,
    remove_temporaries,
)
from tests.corpus.corpora import names_in


def test_a_file_is_replaced_whole_and_obeys_the_umask(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")
    before = os.umask(0o027)
    try:
        atomic_write_text(path, "näw\r\n")
    finally:
        os.umask(before)
    assert path.read_bytes() == "näw\r\n".encode()
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert names_in(tmp_path) == ["a.txt"]


def test_a_failed_write_leaves_the_former_file(tmp_path, monkeypatch):
    path = tmp_path / "a.txt"
    path.write_text("old")

    def full_disk(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full_disk)
    with pytest.raises(OSError, match="No space left"):
        atomic_write_bytes(path, b"new")
    assert path.read_text() == "old"
    assert names_in(tmp_path) == ["a.txt"]


def test_temporaries_of_a_killed_writer_are_removed(tmp_path):
    for name in (".a.txt.tmp", "b.tmp", "c.txt"):
        (tmp_path / name).touch()
    remove_temporaries(tmp_path)
    assert names_in(tmp_path) == ["b.tmp", "c.txt"]


def hold(folder: str, held, release) -> None:
    with locked_folder(Path(folder)):
        held.set()
        release.wait()


def test_a_folder_has_one_writer_until_it_is_killed(tmp_path):
    context = multiprocessing.get_context("spawn")
    held, release = context.Event(), context.Event()
    other = context.Process(target=hold, args=(str(tmp_path), held, release))
    other.start()
    try:
        assert held.wait(60)
        with (
            pytest.raises(TryAgainError, match="another process is writing"),
            locked_folder(tmp_path),
        ):
            pass
    finally:
        other.kill()
        other.join()
    with locked_folder(tmp_path):
        pass
    assert names_in(tmp_path) == []
