"""Folders that are full, read-only, in memory, or not there."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from pathlib import Path

import pytest

from electra_cli.doctor import folders
from electra_cli.doctor.folders import (
    check_cache,
    check_folder,
    check_runs,
    check_temporary,
    file_system,
)
from electra_cli.errors import OutputError
from electra_cli.memory_limits import GIB
from tests.conftest import read_only
from tests.doctor.machines import one, states

MOUNTS = """21 1 0:20 / / rw - overlay overlay rw
22 21 0:21 / /dev/shm rw shared:3 - tmpfs shm rw
23 21 8:1 / /mnt/my\\040disk rw,noatime shared:4 master:1 - ext4 /dev/sda1 rw
24 23 0:9 / /mnt/my\\040disk rw - nfs4 server:/x rw
"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [("/home", "overlay"), ("/dev/shm/a", "tmpfs"), ("/dev/shmem", "overlay"),
     ("/mnt/my disk/a", "nfs4")],
)  # fmt: skip
def test_kinds_of_file_systems(path: str, kind: str) -> None:
    assert file_system(Path(path), MOUNTS) == kind


def test_a_folder_that_will_be_made_is_that_in_which_it_will(tmp_path: Path) -> None:
    check = check_folder("cache", tmp_path / "a" / "b", "", another="")
    assert check.state == "ok"
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("name", "advice"),
    [
        ("run folders", "cd FOLDER, or electra pretrain --model-dir FOLDER"),
        ("cache", "export XDG_CACHE_HOME=FOLDER"),
        ("temporary files", "export TMPDIR=FOLDER"),
    ],
)
@pytest.mark.parametrize("fault", ["cannot be written", "that is little"])
def test_each_folder_has_advice_of_its_own(
    name: str, advice: str, fault: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    is_full = fault == "that is little"
    monkeypatch.setattr(folders, "_LITTLE_ROOM", 2**80 if is_full else 0)
    with contextlib.nullcontext() if is_full else read_only(tmp_path):
        checks = [check_runs(""), *check_cache(lambda: tmp_path / "cache", ""), check_temporary("")]
    check = one(checks, name)
    assert (check.state, fault in check.found) == ("note", True)
    assert check.advice == (f"make room (df -h {tmp_path}), or {advice}" if is_full else advice)


def test_a_working_folder_that_is_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "gone"
    folder.mkdir()
    monkeypatch.chdir(folder)
    folder.rmdir()
    assert check_runs("").advice == "cd FOLDER"


@pytest.mark.parametrize(
    ("free", "mounts", "lasts", "state"),
    [
        (100, "", True, "ok"),
        (1, "", True, "note"),
        (100, "1 0 0:1 / / rw - tmpfs t rw", True, "note"),
        (100, "1 0 0:1 / / rw - overlay o rw", True, "note"),
        (100, "1 0 0:1 / / rw - overlay o rw", False, "ok"),
    ],
)
def test_room_and_what_lasts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free: int, mounts: str, lasts: bool, state: str
) -> None:
    usage = type(shutil.disk_usage(tmp_path))(200 * GIB, (200 - free) * GIB, free * GIB)
    monkeypatch.setattr(folders.shutil, "disk_usage", lambda path: usage)
    check = check_folder("run folders", tmp_path, mounts, another="", lasts=lasts)
    assert check.state == state
    assert f"{free}.0 of 200.0 GiB free" in check.found


def test_the_size_of_the_cache(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(bytes(3 * 2**20))
    size = list(check_cache(lambda: tmp_path, ""))[1]
    assert size.found.startswith("3.0 MiB")


def test_no_place_for_a_cache() -> None:
    def nowhere() -> Path:
        raise OutputError("no home", hint="set XDG_CACHE_HOME")

    checks = list(check_cache(nowhere, ""))
    assert states(checks) == {"cache": "note"}
    assert checks[0].advice == "set XDG_CACHE_HOME"
