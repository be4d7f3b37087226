"""Processors, cores and memory of made-up machines."""

from __future__ import annotations

from pathlib import Path

import pytest

from electra_cli.doctor.machine import (
    check_cores,
    check_memory,
    check_processor,
    core_quota,
    free_memory,
)
from electra_cli.memory_limits import GIB, MemoryLimit
from tests.doctor.machines import one, write

INTEL = "model name\t: Intel Xeon\nflags\t\t: fpu avx avx2 fma avx512f amx_bf16\n"


@pytest.mark.parametrize(
    ("cpuinfo", "kind", "name", "state", "words"),
    [
        (INTEL, "x86_64", "processor", "ok", "Intel Xeon, x86_64 (avx2, fma, avx512f, amx_bf16)"),
        (INTEL, "x86_64", "bfloat16", "ok", "in hardware (amx_bf16)"),
        ("flags : sse2\n", "x86_64", "processor", "problem", "has no AVX"),
        ("flags : avx\n", "x86_64", "bfloat16", "ok", "float32"),
        ("Features : asimd bf16\n", "aarch64", "processor", "ok", "aarch64"),
        ("", "arm64", "bfloat16", "ok", "does not say"),
    ],
)
def test_processor(cpuinfo: str, kind: str, name: str, state: str, words: str) -> None:
    check = one(list(check_processor(cpuinfo, kind)), name)
    assert check.state == state
    assert words in check.found


@pytest.mark.parametrize(
    ("quota", "state", "words"),
    [(None, "ok", "4 of 8 cores"), (4.0, "ok", "4 of 8"), (2.5, "note", "taskset -c 0-1")],
)
def test_cores(quota: float | None, state: str, words: str) -> None:
    check = check_cores(8, 4, quota)
    assert check.state == state
    assert words in check.found + check.advice


@pytest.mark.parametrize(
    ("files", "quota"),
    [
        ({}, None),
        ({"proc/self/cgroup": "0::/a\n", "sys/fs/cgroup/a/cpu.max": "max 100000\n"}, None),
        ({"proc/self/cgroup": "0::/a\n", "sys/fs/cgroup/a/cpu.max": "150000 100000\n"}, 1.5),
        # The limit of a group above, and a path of the host that is not there.
        ({"proc/self/cgroup": "0::/gone/b\n", "sys/fs/cgroup/cpu.max": "400000 100000\n"}, 4.0),
        ({"sys/fs/cgroup/cpu/cpu.cfs_quota_us": "50000\n",
          "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n"}, 0.5),
        ({"sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1\n",
          "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n"}, None),
    ],
)  # fmt: skip
def test_quota(tmp_path: Path, files: dict[str, str], quota: float | None) -> None:
    assert core_quota(write(tmp_path, files)) == quota


@pytest.mark.parametrize(
    ("limit", "free", "state"),
    [(16, 12, "ok"), (16, None, "ok"), (2, 12, "note"), (16, 1, "note")],
)
def test_memory(limit: int, free: int | None, state: str) -> None:
    size = limit * GIB
    given = MemoryLimit(size, "the container allows", "give it more", size, size)
    check = check_memory(given, None if free is None else free * GIB)
    assert check.state == state
    assert f"the container allows {limit}.0 GiB" in check.found
    assert ("give it more" in check.advice) == (state == "note")


def test_free_memory() -> None:
    assert free_memory("MemTotal: 9 kB\nMemAvailable:    2048 kB\n") == 2 * 2**20
    assert free_memory("") is None
