"""Folders that are full, read-only, in memory, or not there."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from electra_cli.doctor import folders
from electra_cli.doctor.folders import check_cache, check_folder, file_system
from electra_cli.errors import OutputError
from electra_cli.memory_limits import GIB
from tests.conftest import read_only
from tests.doctor.machines import states

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
    check = check_folder("cache", tmp_path / "a" / "b", "")
    assert check.state == "ok"
    assert not list(tmp_path.iterdir())


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    with read_only(folder):
        check = check_folder("current folder", folder, "")
    assert check.state == "note"
    assert "cannot be written" in check.found


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
    check = check_folder("current folder", tmp_path, mounts, lasts=lasts)
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
