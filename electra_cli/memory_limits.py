"""How much memory this process can have: by the machine, its container or `ulimit`."""

from __future__ import annotations

import os
import re
import resource
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from electra_cli.errors import OutOfMemoryError

GIB = 2**30

# The addresses that TensorFlow 2.20 takes on two cores; more cores take more of them.
_ADDRESSES = int(1.9 * GIB)
# A run takes so many addresses beyond TensorFlow's own for each that it uses.
_UNUSED = 1.8
# The estimate of a run may be so many times what it takes.
_ESTIMATES_ERR = 1.5

_ULIMIT, _RAISE_IT = "`ulimit -v` leaves", "raise that limit: `ulimit -v unlimited`"


@dataclass(frozen=True)
class MemoryLimit:
    """A limit of the memory that is in use at the same time.

    Attributes:
      bytes: The limit.
      words: Who sets it, such as "this machine has".
      remedy: What to do about it.
      doubtful: An estimate above it may not fit.
      impossible: An estimate above it cannot.
      shared: All that a process has takes a part of it; else it is that of each replica's device.
    """

    bytes: int
    words: str
    remedy: str
    doubtful: int
    impossible: int
    shared: bool = True


def memory_limit(root: Path = Path("/")) -> MemoryLimit:
    """The limit that this process meets first.

    Args:
      root: The folder with /proc and /sys.
    """
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    swap = _kibibytes(root / "proc/meminfo", "SwapTotal")
    whole = [(total, "this machine has", "use a machine with more memory")]
    for limit in _cgroup_limits(root):
        whole.append((limit, "the container (cgroup) allows", "give the container more memory"))
    limits = [
        MemoryLimit(limit, words, remedy, limit, int(limit * _ESTIMATES_ERR) + swap)
        for limit, words, remedy in whole
    ]
    if (left := _addresses_left(root)) is not None:
        limits.append(MemoryLimit(left, _ULIMIT, _RAISE_IT, int(left / _UNUSED), left))
    return min(limits, key=lambda limit: limit.doubtful)


def device_limit(size: int, name: str) -> MemoryLimit:
    """The limit of a replica on a device.

    Args:
      size: The bytes that TensorFlow can have of it.
      name: What to call it, such as "GPU 0 (NVIDIA L4)".
    """
    remedy = "use a GPU with more memory, or end what else uses this one (nvidia-smi)"
    most = int(size * _ESTIMATES_ERR)
    return MemoryLimit(size, f"{name} offers", remedy, size, most, shared=False)


def check_tensorflow_fits() -> None:
    """Refuses to import TensorFlow where there is no room for it: it would say nothing of memory.

    Raises:
      OutOfMemoryError: There is no room.
    """
    left = _addresses_left(Path("/"))
    if left is not None and left < _ADDRESSES:
        raise OutOfMemoryError(
            f"TensorFlow alone needs {_ADDRESSES / GIB:.1f} GiB, and {_ULIMIT} "
            f"{left / GIB:.2f} GiB",
            hint=_RAISE_IT,
        )


def _addresses_left(root: Path) -> int | None:
    """What `ulimit -v` leaves, not counting what is mapped and not used; None without a limit."""
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    if limit == resource.RLIM_INFINITY:
        return None
    status = root / "proc/self/status"
    return max(0, limit - max(0, _kibibytes(status, "VmSize") - _kibibytes(status, "VmRSS")))


def _cgroup_limits(root: Path) -> Iterator[int]:
    """The limits of this process's control group and of those above it (cgroup, version 2)."""
    with suppress(OSError):
        lines = (root / "proc/self/cgroup").read_text(encoding="utf-8").splitlines()
        # The path may be that of a container's host, which is not there.
        path = next((line.removeprefix("0::/") for line in lines if line.startswith("0::/")), "")
        top = root / "sys/fs/cgroup"
        for place in (top / path, *(top / path).parents):
            file = place / "memory.max"
            if place.is_relative_to(top) and file.is_file():
                text = file.read_text(encoding="ascii").strip()
                if text.isdecimal():  # or "max"
                    yield int(text)


def _kibibytes(file: Path, name: str) -> int:
    """A figure of a file of /proc, in bytes; 0 where there is none."""
    try:
        found = re.search(rf"^{name}:\s+(\d+) kB$", file.read_text(encoding="utf-8"), re.MULTILINE)
    except OSError:
        return 0
    return int(found[1]) * 1024 if found else 0
