"""Where runs, caches and temporary files go: room, rights, and whether it lasts."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from electra_cli.errors import ElectraError, counted
from electra_cli.memory_limits import GIB
from electra_cli.training.devices.check import Check

TOPIC = "folders"

# Five checkpoints of the preset small and its data, with room to spare.
_LITTLE_ROOM = 5 * GIB
_FEW_FILES = 10_000
_PASSING = {
    "tmpfs": "it is memory, and gone when the machine ends",
    "ramfs": "it is memory, and gone when the machine ends",
    "overlay": "it is a container's own layer, and gone with the container",
}


def check_folder(
    name: str, folder: Path, mounts: str, *, another: str, lasts: bool = False
) -> Check:
    """A folder that is, or will be, written to.

    Args:
      name: What it is for.
      folder: It, there or not.
      mounts: The text of /proc/self/mountinfo; empty where there is none.
      another: What to type for another folder.
      lasts: What lies there is meant to be kept.
    """
    there = next((path for path in (folder, *folder.parents) if path.exists()), None)
    if there is None:
        found = f"{folder}: nothing of this path is there"
        return Check(TOPIC, name, "problem", found, another)
    kind = file_system(there.resolve(), mounts)
    usage = shutil.disk_usage(there)
    found = f"{folder}: {usage.free / GIB:,.1f} of {usage.total / GIB:,.1f} GiB free"
    found += f" ({kind})" if kind else ""
    if fault := _write_fault(there):
        return Check(TOPIC, name, "note", f"{found}; cannot be written: {fault}", another)
    nodes = os.statvfs(there)
    if nodes.f_files and nodes.f_favail < _FEW_FILES:  # some file systems do not count
        found = f"{found}; room for {counted(nodes.f_favail, 'more file')}"
        return Check(TOPIC, name, "note", found, f"delete some, or {another}")
    if usage.free < _LITTLE_ROOM:
        advice = f"make room (df -h {there}), or {another}"
        return Check(TOPIC, name, "note", f"{found}; that is little", advice)
    if lasts and kind in _PASSING:
        advice = f"keep them on a disk or volume of their own: {another}"
        return Check(TOPIC, name, "note", f"{found}; {_PASSING[kind]}", advice)
    return Check(TOPIC, name, "ok", found)


def _write_fault(folder: Path) -> str:
    try:
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        return error.strerror or str(error)
    return ""


def file_system(path: Path, mounts: str) -> str:
    """The kind of file system that a path lies on, such as ext4; empty if nothing tells.

    Args:
      path: An absolute path without links.
      mounts: The text of /proc/self/mountinfo.
    """
    best, kind = -1, ""
    for line in mounts.splitlines():
        before, dash, after = line.partition(" - ")
        words = before.split()
        if not dash or len(words) < 5 or not after.split():
            continue
        # A space in a path is written \040.
        place = re.sub(r"\\(\d{3})", lambda match: chr(int(match[1], 8)), words[4])
        length = len(Path(place).parts)
        # Of two on one place the later covers the earlier.
        if path.is_relative_to(place) and length >= best:
            best, kind = length, after.split()[0]
    return kind


def check_runs(mounts: str) -> Check:
    """Where runs lie unless --model-dir says otherwise; a volume of its own in a container."""
    another = "cd FOLDER, or electra pretrain --model-dir FOLDER"
    try:
        folder = Path.cwd() / "runs"
    except FileNotFoundError:
        found = "the working folder is not there any more"
        return Check(TOPIC, "run folders", "problem", found, "cd FOLDER")
    return check_folder("run folders", folder, mounts, another=another, lasts=True)


def check_cache(folder: Callable[[], Path], mounts: str) -> Iterator[Check]:
    """The cache of the demo corpus: its place, and its size.

    Args:
      folder: Names it; `demo.default_cache_folder`.
      mounts: As of `check_folder`.
    """
    try:
        place = folder()
    except ElectraError as error:
        yield Check(TOPIC, "cache", "note", error.message, error.hint)
        return
    yield check_folder("cache", place, mounts, another="export XDG_CACHE_HOME=FOLDER")
    if place.is_dir():
        size = sum(path.lstat().st_size for path in place.rglob("*") if path.is_file())
        yield Check(TOPIC, "in the cache", "ok", f"{size / 2**20:,.1f} MiB; rm -r {place} is safe")


def check_temporary(mounts: str) -> Check:
    """Where temporary files go."""
    another = "export TMPDIR=FOLDER"
    try:
        folder = Path(tempfile.gettempdir())
    except FileNotFoundError as error:  # none of the usual ones can be written
        return Check(TOPIC, "temporary files", "problem", str(error), another)
    return check_folder("temporary files", folder, mounts, another=another)
