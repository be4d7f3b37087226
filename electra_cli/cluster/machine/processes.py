"""What the system knows of processes: who dies with whom, who is stopped, and who is left over.

Linux alone has these; elsewhere they do nothing.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path

_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36  # linux/prctl.h
_TICK = 0.01  # seconds


def die_with_parent(parent: int) -> None:
    """Has the system kill this process when its parent ends, however that ends.

    Args:
      parent: The process id of the parent. If it is no longer that, this process ends here.
    """
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it has ended before it was asked for
        os.kill(os.getpid(), signal.SIGKILL)


def adopt_orphans() -> None:
    """Makes this process the parent of whatever its descendants leave behind."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def kill_descendants(patience: float = 10.0) -> None:
    """Kills all that this process has started, and all that those have; see `adopt_orphans`.

    Args:
      patience: Seconds to wait for a process that a device or a disk does not let go of.
    """
    deadline = time.monotonic() + patience
    # A process may be born while the others are killed: it is there at the next look.
    while (living := _descendants(os.getpid())) and time.monotonic() < deadline:
        for pid in living:
            with suppress(OSError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(_TICK)


def _descendants(ancestor: int) -> list[int]:
    """What a process has started and what that has, as far as it runs."""
    children: dict[int, list[int]] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        if (stat := _stat(int(folder.name))) and stat[0] not in "ZX":
            children.setdefault(int(stat[1]), []).append(int(folder.name))
    found = children.get(ancestor, [])
    for pid in found:  # which grows
        found += children.get(pid, [])
    return found


def ancestors(pid: int) -> list[int]:
    """A process, the one that has started it, and so on; as far as the system tells."""
    found = []
    while pid > 0 and pid not in found:
        found.append(pid)
        pid = int((_stat(pid)[1:2] or ["0"])[0])
    return found


def is_stopped(pid: int) -> bool:
    """Whether a process was stopped, by a signal or a debugger."""
    return _stat(pid)[:1] in (["T"], ["t"])


def _stat(pid: int) -> list[str]:
    """proc(5) from a process's state on: a letter, its parent, …; empty if there is none."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (OSError, ValueError):
        return []


def _prctl(option: int, value: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0)
