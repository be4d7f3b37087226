"""What a command, and a worker of a cluster, makes of `--device`, as if it had GPUs."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
import tensorflow as tf

from electra_cli.cluster.acts import ALONE
from electra_cli.cluster.member import Alone
from electra_cli.errors import ConfigError, TryAgainError
from electra_cli.training.devices import strategy
from electra_cli.training.devices.check import Check
from electra_cli.training.devices.machine import resolve_precision
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


class Cards:
    """TensorFlow's devices on a machine with cards; `parts`, virtual ones by the card's name."""

    def __init__(self, count: int, parts: dict[str, list[int]]) -> None:
        self.all = [f"GPU {index}" for index in range(count)]
        self.visible = self.all
        self.parts = parts
        self.runs = False
        self.tf32: list[bool] = []

    def set_visible(self, devices: Sequence[str], kind: str) -> None:
        assert kind == "GPU"
        if self.runs and self.visible != devices:
            raise RuntimeError("Visible devices cannot be modified after being initialized")
        self.visible = [*devices]


Give = Callable[..., Cards]


@pytest.fixture
def worker() -> Listed:
    return Listed()


@pytest.fixture
def with_gpus(monkeypatch: pytest.MonkeyPatch) -> Give:
    """Gives this machine GPUs; what would be made of them is their names."""

    def give(count: int, **parts: list[int]) -> Cards:
        cards = Cards(count, {name.replace("_", " "): sizes for name, sizes in parts.items()})
        config = tf.config
        monkeypatch.setattr(config, "list_physical_devices", lambda kind: cards.all)
        monkeypatch.setattr(config, "get_visible_devices", lambda kind: cards.visible)
        monkeypatch.setattr(config, "set_visible_devices", cards.set_visible)
        monkeypatch.setattr(config, "get_logical_device_configuration", cards.parts.get)
        switch = "enable_tensor_float_32_execution"
        monkeypatch.setattr(config.experimental, switch, cards.tf32.append)
        for name in ("OneDeviceStrategy", "MirroredStrategy"):
            monkeypatch.setattr(tf.distribute, name, lambda names, **_: names)
        monkeypatch.setattr(tf.distribute, "MultiWorkerMirroredStrategy", lambda: "strategy")
        return cards

    return give


@pytest.mark.parametrize(
    ("device", "gpus", "visible"),
    [
        ("auto", 0, []),
        ("auto", 1, ["GPU 0"]),
        ("auto", 2, ["GPU 0", "GPU 1"]),
        ("mirrored", 2, ["GPU 0", "GPU 1"]),
        ("gpu", 2, ["GPU 0"]),
        ("gpu:2,0", 3, ["GPU 0", "GPU 2"]),
        ("cpu", 2, []),
        ("cpu:1", 2, []),
    ],
)
def test_devices_of_a_worker(
    with_gpus: Give, worker: Listed, device: str, gpus: int, visible: list[str]
) -> None:
    cards = with_gpus(gpus)
    parsed = parse_device(device)
    parsed.check_in_cluster()
    assert build_strategy(parsed, worker=worker) == "strategy"
    assert cards.visible == visible
    # All are there before one of them waits for connections, and that has an end.
    begin, connections, then = worker.said
    assert begin == ("connect", 0)
    assert 60 <= connections[1] < 90
    assert then[1] == 0


@pytest.mark.parametrize(
    ("device", "visible", "names"),
    [
        ("cpu", [], "/cpu:0"),
        ("auto", ["GPU 0", "GPU 1", "GPU 2"], ["/gpu:0", "/gpu:1", "/gpu:2"]),
        ("gpu:2", ["GPU 2"], "/gpu:0"),  # the only one that TensorFlow sees
        ("gpu:2,0", ["GPU 0", "GPU 2"], ["/gpu:1", "/gpu:0"]),
    ],
)
def test_other_gpus_are_left_alone(
    with_gpus: Give, device: str, visible: list[str], names: str | list[str]
) -> None:
    """TensorFlow takes memory of every GPU that it sees."""
    cards = with_gpus(3)
    assert build_strategy(parse_device(device)) == names
    assert cards.visible == visible


def test_virtual_gpus_are_counted_one_by_one(with_gpus: Give) -> None:
    cards = with_gpus(2, GPU_1=[1000, 1000])
    assert build_strategy(parse_device("gpu:1,2")) == ["/gpu:0", "/gpu:1"]
    assert cards.visible == ["GPU 1"]


def test_a_process_in_which_tensorflow_runs_keeps_what_it_sees(with_gpus: Give) -> None:
    cards = with_gpus(2)
    cards.runs = True
    assert build_strategy(parse_device("gpu:1")) == "/gpu:1"
    cards.visible = ["GPU 0"]
    with pytest.raises(ConfigError, match="already runs with 1 GPU in this process"):
        build_strategy(parse_device("gpu:1"))


def test_float32_is_float32_on_gpus(with_gpus: Give) -> None:
    cards = with_gpus(1)
    build_strategy(parse_device("gpu"))
    build_strategy(parse_device("cpu"))
    build_strategy(parse_device("gpu"), tf32=True)
    assert cards.tf32 == [False, True]


def test_what_is_compiled_obeys() -> None:
    """XLA multiplies factors of the highest precision as they are, on any card."""
    before = tf.config.experimental.tensor_float_32_execution_enabled()
    try:
        for tf32 in (True, False):
            tf.config.experimental.enable_tensor_float_32_execution(tf32)
            product = tf.function(lambda x: tf.matmul(x, x), jit_compile=True)
            text = product.experimental_get_compiler_ir(tf.ones([2, 2]))(stage="hlo")
            assert ("operand_precision={highest,highest}" in text) == (not tf32)
    finally:
        tf.config.experimental.enable_tensor_float_32_execution(before)


@pytest.mark.parametrize(
    ("capability", "precision"), [((7, 5), "float32"), ((8, 0), "bfloat16"), (None, "float32")]
)
def test_precision_follows_from_the_card_that_is_used(
    with_gpus: Give, monkeypatch: pytest.MonkeyPatch, capability: tuple | None, precision: str
) -> None:
    def details(gpu: str) -> dict[str, object]:
        assert gpu == "GPU 1"
        return {"compute_capability": capability} if capability else {}

    class Built:
        class extended:  # noqa: N801
            worker_devices = ("/job:localhost/replica:0/task:0/device:GPU:0",)

    cards = with_gpus(2)
    build_strategy(parse_device("gpu:1"))
    assert cards.visible == ["GPU 1"]
    monkeypatch.setattr(tf.config.experimental, "get_device_details", details)
    assert resolve_precision("auto", Built()) == precision  # type: ignore[arg-type]


@pytest.mark.parametrize("who", [ALONE, Listed()])
def test_a_gpu_that_is_not_there(
    with_gpus: Give, who: Alone, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_gpus(1)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    with pytest.raises(ConfigError, match="this machine has no gpu:1; it has gpu:0, cpu"):
        build_strategy(parse_device("gpu:1"), worker=who)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3")
    with pytest.raises(ConfigError, match="CUDA_VISIBLE_DEVICES='3' has no gpu:1; it has gpu:0"):
        build_strategy(parse_device("gpu:1"), worker=who, share=True)


@pytest.mark.parametrize("device", ["gpu", "gpu:1", "mirrored"])
def test_without_any_gpu_the_reason_is_told(
    with_gpus: Give, monkeypatch: pytest.MonkeyPatch, device: str
) -> None:
    with_gpus(0)
    reason = Check("accelerator", "libcudnn.so.9", "problem", "cannot open it", "pip install x")
    monkeypatch.setattr(strategy, "why_no_gpu", lambda: reason)
    with pytest.raises(ConfigError, match="TensorFlow finds no GPU: cannot open it") as caught:
        build_strategy(parse_device(device))
    assert caught.value.hint == "pip install x; or --device cpu; electra doctor says more"


@pytest.mark.parametrize(
    ("device", "shown", "warned"),
    [("auto", "0", True), ("auto", "", False), ("cpu", "0", False)],
)
def test_a_card_that_stays_idle_is_told(
    with_gpus: Give, monkeypatch: pytest.MonkeyPatch, device: str, shown: str, warned: bool
) -> None:
    with_gpus(0)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", shown)
    reason = Check("accelerator", "libcudnn.so.9", "problem", "cannot open it", "pip install x")
    monkeypatch.setattr(strategy, "why_no_gpu", lambda: reason)
    monkeypatch.setattr(strategy, "claim_cards", lambda *_, **__: None)
    said: list[str] = []
    assert build_strategy(parse_device(device), warn=said.append) == "/cpu:0"
    told = "TensorFlow finds no GPU, and the CPU is used: cannot open it; pip install x"
    assert said == [told] * warned


def test_a_port_that_was_taken_meanwhile(
    with_gpus: Give, worker: Listed, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_gpus(0)

    def fail() -> None:
        raise tf.errors.UnknownError(None, None, "Could not start gRPC server")

    monkeypatch.setattr(tf.distribute, "MultiWorkerMirroredStrategy", fail)
    with pytest.raises(TryAgainError, match="cannot listen"):
        build_strategy(parse_device("cpu"), worker=worker)


@pytest.mark.parametrize(
    ("text", "words", "hint"),
    [
        ("gpu:0,00,1", "names a GPU twice", "--device gpu:0,1"),
        ("gpu:GPU-1,GPU-1", "names a GPU twice", "--device gpu:GPU-1"),
        ("gpu:MIG-1,MIG-2", "one instance", "--device gpu:MIG-1"),
        ("gpu:GPU-1,MIG-2", "one instance", "--device gpu:GPU-1"),
        ("gpu:GPU-", "unknown device", "gpu:GPU-…, gpu:MIG-…"),
        ("gpu:0,GPU-1", "unknown device", "gpu:GPU-…, gpu:MIG-…"),
        ("cuda:1", "unknown device", "did you mean --device gpu:1?"),
    ],
)
def test_devices_that_are_none(text: str, words: str, hint: str) -> None:
    with pytest.raises(ConfigError, match=words) as caught:
        parse_device(text)
    assert hint in caught.value.hint


def test_names_of_nvidia_smi() -> None:
    text = "gpu:GPU-5d5ba0d6-d33d-2b2c-524d-9e3d8d2b8a77,GPU-8f2c"
    device = parse_device(text)
    assert device.names == tuple(text.removeprefix("gpu:").split(","))
    assert (device.numbers, device.replicas) == ((0, 1), 2)
    older = "MIG-GPU-8e3e8f2c-1111-2222-3333-444455556666/1/0"  # of drivers before 470
    assert parse_device(f"gpu:{older}").names == (older,)
