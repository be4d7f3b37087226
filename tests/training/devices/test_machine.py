"""How the cores of a CPU are shared."""

from __future__ import annotations

import os

import pytest

from electra_cli.cluster.addresses import Cluster
from electra_cli.config.schema import Config
from electra_cli.training.devices.machine import share_cores
from electra_cli.training.devices.strategy import parse_device


@pytest.mark.parametrize(
    ("cores", "batch", "parts", "lanes"),
    [
        (1, 32, 1, 1),
        (2, 32, 1, 2),
        (2, 33, 1, 1),  # lanes are of one size
        (8, 32, 1, 8),
        (64, 32, 1, 8),  # with four rows each
        (6, 128, 1, 4),
        (2, 8, 1, 2),
        (2, 8, 2, 1),  # micro-batches of four rows
    ],
)
def test_lanes_of_a_batch(
    cores: int, batch: int, parts: int, lanes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(cores)), raising=False)
    config = Config().replaced({"train.batch_size": batch, "train.accumulation_steps": parts})
    assert share_cores(parse_device("cpu"), config) == lanes


@pytest.mark.parametrize(
    ("addresses", "lanes"),
    [
        (("a:1", "b:1"), 4),  # sixteen rows for each
        (("a:1", "a:2"), 2),  # and half of the cores
        (("a:1", "b:1", "a:2", "a:3"), 1),  # eight rows, and a third of the cores
        (tuple(f"a:{port}" for port in range(1, 9)), 1),
    ],
)
def test_workers_share_rows_and_the_cores_of_their_machine(
    addresses: tuple[str, ...], lanes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(4)), raising=False)
    config = Config().replaced({"train.batch_size": 32})
    assert share_cores(parse_device("auto"), config, Cluster(addresses, 0, "TEST")) == lanes


@pytest.mark.parametrize(
    ("device", "xla"), [("cpu:2", False), ("gpu", False), ("mirrored", False), ("cpu", True)]
)
def test_one_lane(device: str, xla: bool) -> None:
    config = Config().replaced({"runtime.xla": xla})
    assert share_cores(parse_device(device), config) == 1
