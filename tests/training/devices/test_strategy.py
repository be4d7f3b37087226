"""What a worker of a cluster makes of `--device`, as if it had GPUs."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
import tensorflow as tf

from electra_cli.cluster.member import Alone
from electra_cli.errors import ConfigError, TryAgainError
from electra_cli.training.devices.strategy import build_strategy, parse_device


class Listed(Alone):
    """A worker of a cluster that lists what it says to the others."""

    is_alone = False

    def __init__(self) -> None:
        self.said: list[tuple[str, float]] = []

    def gather(self, topic: str, value: object) -> list[object]:
        self.said.append((topic, 0.0))
        return [value]

    def waiting_for(self, what: str, most: float = 0.0, hint: str = "") -> None:
        self.said.append((what, most))


@pytest.fixture
def worker() -> Listed:
    return Listed()


@pytest.fixture
def with_gpus(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], list[list[str]]]:
    """Gives this machine GPUs; returns what was made visible when strategies were built."""

    def give(count: int) -> list[list[str]]:
        gpus = [f"GPU {index}" for index in range(count)]
        seen: list[list[str]] = []

        def set_visible(devices: Sequence[str], kind: str) -> None:
            assert kind == "GPU"
            seen.append([*devices])

        monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: gpus)
        monkeypatch.setattr(tf.config, "set_visible_devices", set_visible)
        monkeypatch.setattr(tf.distribute, "MultiWorkerMirroredStrategy", lambda: "strategy")
        return seen

    return give


@pytest.mark.parametrize(
    ("device", "gpus", "visible"),
    [
        ("auto", 0, []),
        ("auto", 1, ["GPU 0"]),
        ("auto", 2, ["GPU 0", "GPU 1"]),
        ("mirrored", 2, ["GPU 0", "GPU 1"]),
        ("gpu", 2, ["GPU 0"]),
        ("gpu:2,0", 3, ["GPU 2", "GPU 0"]),
        ("cpu", 2, []),
        ("cpu:1", 2, []),
    ],
)
def test_devices_of_a_worker(
    with_gpus: Callable[[int], list[list[str]]],
    worker: Listed,
    device: str,
    gpus: int,
    visible: list[str],
) -> None:
    seen = with_gpus(gpus)
    parsed = parse_device(device)
    parsed.check_in_cluster()
    assert build_strategy(parsed, worker=worker) == "strategy"
    assert seen == [visible]
    # All are there before one of them waits for connections, and that has an end.
    begin, connections, then = worker.said
    assert begin == ("connect", 0)
    assert 60 <= connections[1] < 90
    assert then[1] == 0


def test_a_gpu_that_a_worker_lacks(
    with_gpus: Callable[[int], list[list[str]]], worker: Listed
) -> None:
    with_gpus(1)
    with pytest.raises(ConfigError, match="no gpu:1"):
        build_strategy(parse_device("gpu:1"), worker=worker)


def test_a_port_that_was_taken_meanwhile(
    with_gpus: Callable[[int], list[list[str]]], worker: Listed, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_gpus(0)

    def fail() -> None:
        raise tf.errors.UnknownError(None, None, "Could not start gRPC server")

    monkeypatch.setattr(tf.distribute, "MultiWorkerMirroredStrategy", fail)
    with pytest.raises(TryAgainError, match="cannot listen"):
        build_strategy(parse_device("cpu"), worker=worker)
