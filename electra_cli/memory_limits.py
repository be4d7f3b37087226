"""How much memory this process can have: by the machine, its container or `ulimit`."""

from __future__ import annotations

import os
import re
import resource
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from electra_cli.errors import OutOfMemoryError

GIB = 2**30
_UNLIMITED = 2**60  # what cgroups of the first version say instead, and nobody has

# Measured with TensorFlow 2.20 on two cores; more cores take more addresses.
_RESIDENT, _ADDRESSES = int(0.5 * GIB), int(1.9 * GIB)
# A run takes so many addresses beyond TensorFlow's own for each that it uses.
_UNUSED = 1.8
# The estimate of a run may be so many times what it takes.
_ESTIMATES_ERR = 1.5


@dataclass(frozen=True)
class MemoryLimit:
    """A limit of the memory that is in use at the same time.

    Attributes:
      bytes: The limit.
      words: Who sets it, such as "this machine has".
      remedy: What to do about it.
      doubtful: An estimate above it may not fit.
      impossible: An estimate above it cannot.
      of_tensorflow: What importing TensorFlow takes, by this measure.
    """

    bytes: int
    words: str
    remedy: str
    doubtful: int
    impossible: int
    of_tensorflow: int


def memory_limit() -> MemoryLimit:
    """The limit that this process meets first."""
    return min(_limits(Path("/")), key=lambda limit: limit.doubtful)


def check_tensorflow_fits() -> None:
    """Refuses to import TensorFlow where there is no room for it: it would say nothing of memory.

    Raises:
      OutOfMemoryError: There is no room.
    """
    for limit in _limits(Path("/")):
        if limit.bytes < limit.of_tensorflow:
            raise OutOfMemoryError(
                f"TensorFlow alone needs {limit.of_tensorflow / GIB:.1f} GiB, and {limit.words} "
                f"{limit.bytes / GIB:.2f} GiB",
                hint=limit.remedy,
            )


def _limits(root: Path) -> Iterator[MemoryLimit]:
    """All limits there are.

    Args:
      root: The folder with /proc and /sys.
    """
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    swap = _kibibytes(root / "proc/meminfo", "SwapTotal")
    whole = [(total, "this machine has", "use a machine with more memory")]
    for limit in _cgroup_limits(root):
        whole.append((limit, "the container (cgroup) allows", "give the container more memory"))
    for limit, words, remedy in whole:
        most = int(limit * _ESTIMATES_ERR) + swap
        yield MemoryLimit(limit, words, remedy, limit, most, _RESIDENT)
    status = root / "proc/self/status"
    for kind, letter, mapped, used, of_tensorflow in (
        (resource.RLIMIT_AS, "v", "VmSize", "VmRSS", _ADDRESSES),
        (resource.RLIMIT_DATA, "d", "VmData", "RssAnon", _RESIDENT),
    ):
        limit, _ = resource.getrlimit(kind)
        if limit != resource.RLIM_INFINITY:
            unused = max(0, _kibibytes(status, mapped) - _kibibytes(status, used))
            left = max(0, limit - unused)
            words = f"`ulimit -{letter}` leaves"
            remedy = f"raise that limit: `ulimit -{letter} unlimited`"
            yield MemoryLimit(left, words, remedy, int(left / _UNUSED), left, of_tensorflow)


def _cgroup_limits(root: Path) -> Iterator[int]:
    """The limits of this process's control groups, of both versions, up to their roots."""
    try:
        lines = (root / "proc/self/cgroup").read_text(encoding="utf-8").splitlines()
    except OSError:
        return
    for line in lines:
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if controllers and "memory" not in controllers.split(","):
            continue
        top = root / "sys/fs/cgroup" / ("memory" if controllers else "")
        name = "memory.limit_in_bytes" if controllers else "memory.max"
        # The path may be that of a container's host, which is not there.
        folder = top / path.lstrip("/")
        for place in (folder, *folder.parents):
            if place.is_relative_to(top):
                yield from _number_in(place / name)


def _number_in(file: Path) -> Iterator[int]:
    try:
        text = file.read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        return
    if text.isdecimal() and int(text) < _UNLIMITED:  # or "max"
        yield int(text)


def _kibibytes(file: Path, name: str) -> int:
    """A figure of a file of /proc, in bytes; 0 where there is none."""
    try:
        found = re.search(rf"^{name}:\s+(\d+) kB$", file.read_text(encoding="utf-8"), re.MULTILINE)
    except OSError:
        return 0
    return int(found[1]) * 1024 if found else 0
