"""Processor, cores and memory: what there is, and what a container allows of it."""

from __future__ import annotations

import math
import os
import platform
import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from electra_cli.errors import counted
from electra_cli.memory_limits import GIB, MemoryLimit
from electra_cli.training.devices.check import Check

TOPIC = "machine"

# What TensorFlow's package for these processors is compiled for: without it the import is ended.
_NEEDED_FLAGS = {"x86_64": "avx"}
_FAST_FLAGS = ("avx2", "fma", "avx512f", "avx512_bf16", "amx_bf16")
_BFLOAT16 = {"avx512_bf16", "amx_bf16"}
# The preset tiny takes 1.2 GiB, and the system wants some too.
_LITTLE_MEMORY = 3 * GIB


def check_processor(cpuinfo: str, kind: str) -> Iterator[Check]:
    """The processor and its number formats.

    Args:
      cpuinfo: The text of /proc/cpuinfo; empty where there is none.
      kind: Such as x86_64.
    """
    model = re.search(r"^model name\s*:\s*(.+)$", cpuinfo, re.MULTILINE)
    name = f"{model[1].strip() if model else platform.processor() or 'of an unknown name'}, {kind}"
    line = re.search(r"^(?:flags|Features)\s*:\s*(.+)$", cpuinfo, re.MULTILINE)
    flags = set(line[1].split()) if line else set()
    needed = _NEEDED_FLAGS.get(kind)
    if flags and needed and needed not in flags:
        advice = "another machine; of a virtual one, its processor as the host's (host-passthrough)"
        found = f"{name}: has no {needed.upper()}, for which TensorFlow is built"
        yield Check(TOPIC, "processor", "problem", found, advice)
    else:
        fast = [flag for flag in _FAST_FLAGS if flag in flags]
        yield Check(TOPIC, "processor", "ok", f"{name} ({', '.join(fast) or 'plain'})")
    if not flags:
        yield Check(TOPIC, "bfloat16", "ok", "the system does not say: float32 on the CPU")
    elif have := sorted(_BFLOAT16 & flags):
        yield Check(TOPIC, "bfloat16", "ok", f"multiplied in hardware ({', '.join(have)})")
    else:
        found = "the processor has no avx512_bf16 and no amx_bf16: float32, which is slower"
        yield Check(TOPIC, "bfloat16", "ok", found)


def check_cores(there: int, allowed: int, quota: float | None) -> Check:
    """Cores.

    Args:
      there: Of the machine.
      allowed: That this process may run on.
      quota: Cores' worth of time that the container has; None for no limit.
    """
    found = f"{allowed} of {counted(there, 'core')}" if allowed < there else counted(there, "core")
    if quota is None or quota >= allowed:
        return Check(TOPIC, "cores", "ok", found)
    whole = max(1, math.floor(quota))
    return Check(
        TOPIC,
        "cores",
        "note",
        f"{found}, but the container (cgroup) has the time of {quota:g}: threads will wait",
        f"taskset -c 0-{whole - 1} electra …, or Docker's --cpuset-cpus instead of --cpus",
    )


def allowed_cores() -> int:
    """The cores that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def core_quota(root: Path) -> float | None:
    """How many cores' worth of time this control group and those above it have (cgroup 1 and 2).

    Args:
      root: The folder with /proc and /sys.
    """
    top = root / "sys/fs/cgroup"
    found = []
    with suppress(OSError):
        lines = (root / "proc/self/cgroup").read_text("utf-8").splitlines()
        path = next((line.removeprefix("0::/") for line in lines if line.startswith("0::/")), "")
        for place in (top / path, *(top / path).parents):
            if place.is_relative_to(top):
                found.append(_quota(_text(place / "cpu.max").split()))
    old = top / "cpu"
    found.append(_quota([_text(old / f"cpu.cfs_{name}_us") for name in ("quota", "period")]))
    return min((quota for quota in found if quota is not None), default=None)


def _quota(words: list[str]) -> float | None:
    """A quota of "200000 100000"; "max", -1 and nothing are none."""
    if len(words) == 2 and all(word.isdecimal() for word in words) and int(words[1]):
        return int(words[0]) / int(words[1])
    return None


def _text(file: Path) -> str:
    try:
        return file.read_text("ascii").strip()
    except (OSError, ValueError):
        return ""


def check_memory(limit: MemoryLimit, free: int | None) -> Check:
    """Memory.

    Args:
      limit: What this process meets first.
      free: Bytes that are free or can be made so; None if the system does not tell.
    """
    found = f"{limit.words} {limit.bytes / GIB:.1f} GiB"
    if free is not None:
        found += f"; {free / GIB:.1f} GiB are free"
    if min(limit.doubtful, limit.bytes if free is None else free) < _LITTLE_MEMORY:
        advice = f"{limit.remedy}, or end what takes it; the preset tiny needs about 1.5 GiB"
        return Check(TOPIC, "memory", "note", found, advice)
    return Check(TOPIC, "memory", "ok", found)


def free_memory(meminfo: str) -> int | None:
    """Bytes that /proc/meminfo, given as text, says are available."""
    found = re.search(r"^MemAvailable:\s+(\d+) kB$", meminfo, re.MULTILINE)
    return int(found[1]) * 1024 if found else None
