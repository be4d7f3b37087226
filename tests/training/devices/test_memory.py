"""What a run needs of memory, what there is, and the hint that leads from one to the other."""

from __future__ import annotations

import os
import re
import resource
from pathlib import Path
from types import SimpleNamespace

import pytest

from electra_cli.config.load import load_config
from electra_cli.config.schema import Config
from electra_cli.environment import prepare_tensorflow
from electra_cli.errors import OutOfMemoryError
from electra_cli.memory_limits import GIB, MemoryLimit, memory_limit
from electra_cli.modeling.budget import budget_of
from electra_cli.training.devices.memory import Memory, memory_of
from tests.conftest import Electra, settings
from tests.training.trainers import configuration


def limit_of(gib: float) -> MemoryLimit:
    size = int(gib * GIB)
    return MemoryLimit(size, "this machine has", "use another", size, size * 3 // 2)


def memory(config: Config, gib: float | None, replicas: int = 1) -> Memory:
    limit = None if gib is None else limit_of(gib)
    return Memory(
        config, budget_of, config.data.sequence_length, "float32", replicas, replicas, limit
    )


@pytest.mark.parametrize(
    ("preset", "rows", "precision", "measured"),
    [  # GiB; the peak of whole processes, see modeling/budget.py
        ("tiny", 32, "float32", 1.38),
        ("tiny", 128, "float32", 2.25),
        ("tiny", 512, "float32", 5.92),
        ("tiny", 32, "bfloat16", 1.26),
        ("tiny", 512, "bfloat16", 3.96),
        ("small", 32, "float32", 2.95),
        ("small", 128, "float32", 7.02),
        ("small", 32, "bfloat16", 2.30),
        ("small", 128, "bfloat16", 4.58),
    ],
)
def test_the_estimate_is_what_was_measured(
    preset: str, rows: int, precision: str, measured: float
) -> None:
    values = {"model.vocab_size": 10720, "train.batch_size": rows}
    config = load_config(preset=preset, environment={}).config.replaced(values)
    length = config.data.sequence_length
    needed = Memory(config, budget_of, length, precision, 1, 1, limit_of(8)).needed  # type: ignore[arg-type]
    assert needed / GIB == pytest.approx(measured, rel=0.1)


def test_large_does_not_fit_into_a_small_machine() -> None:
    large = load_config(preset="large", environment={}).config
    assert memory(large, 23).is_impossible
    message, hint = memory(large, 23).shortage(begun=False)
    assert "2,048 rows of 512 tokens" in message
    assert "and this machine has 23.00 GiB; a batch of" in message
    assert "--set train.accumulation_steps=" in hint
    assert "allow-config-change" not in hint
    parts = int(hint.partition("accumulation_steps=")[2].partition(";")[0])
    fitting = large.replaced({"train.accumulation_steps": parts})
    assert not memory(fitting, 23).is_doubtful
    # What even one row does not fit into.
    _, hint = memory(large, 2).shortage(begun=False)
    assert hint == "use a smaller model, such as --preset tiny, or use another"
    assert not memory(large, None).is_doubtful  # devices, of which nobody knows


def test_layers_are_computed_again_where_that_is_enough() -> None:
    config = load_config(preset="base", environment={}).config
    again = config.replaced({"model.gradient_checkpointing": True})
    enough = memory(again, 1).needed / GIB / 0.9
    told = "compute layers again in the backward pass: --set model.gradient_checkpointing=true; or "
    assert told in memory(config, enough * 1.01).shortage(begun=False)[1]
    assert told not in memory(config, enough * 0.99).shortage(begun=False)[1]
    assert told not in memory(again, 1).shortage(begun=False)[1]


def test_between_what_should_fit_and_what_cannot_is_a_warning() -> None:
    config = load_config(preset="tiny", environment={}).config
    needed = memory(config, 1).needed / GIB
    for gib, doubtful, impossible in (
        (needed * 1.01, False, False),
        (needed / 1.2, True, False),
        (needed / 1.6, True, True),
    ):
        found = memory(config, gib)
        assert (found.is_doubtful, found.is_impossible) == (doubtful, impossible)


def test_the_largest_batch_that_should_fit() -> None:
    config = configuration(**{"train.batch_size": 96, "train.accumulation_steps": 2})
    message, hint = memory(config, None).shortage(begun=True)  # 48 at once were too many
    assert "a batch of 32 should fit" in message
    assert "accumulation_steps=3 --allow-config-change train.accumulation_steps" in hint
    message, hint = memory(config, None, replicas=2).shortage(begun=True)  # 24 each: 16 each
    assert "a batch of 32 should fit" in message
    assert "accumulation_steps=3 " in hint
    _, hint = memory(configuration(**{"train.batch_size": 10**15 - 11}), 2).shortage(begun=False)
    assert "accumulation_steps" not in hint  # nor are so many divisors tried
    one = configuration(**{"train.batch_size": 1})
    assert "smaller model" in memory(one, None).shortage(begun=True)[1]


@pytest.mark.parametrize(
    ("schedule", "parts"), [("96:1000", 2), ("96:960,6:9000", 2), ("96:960,5:9000", None)]
)
def test_a_schedule_of_batches_that_does_not_fit(schedule: str, parts: int | None) -> None:
    """What is to be typed makes every batch fit."""
    values = {"train.batch_size": 36, "train.batch_schedule": schedule}
    _, hint = memory(configuration(**values), None).shortage(begun=False)
    assert "--batch-size 64 --set train.batch_schedule=null" in hint
    told = re.search(r"accumulation_steps=(\d+)", hint)
    assert (int(told[1]) if told else None) == parts
    if parts:
        configuration(**values, **{"train.accumulation_steps": parts})


def test_replicas_of_a_cpu_share_a_process() -> None:
    config = load_config(preset="small", environment={}).config
    alone, shared = memory(config, 8).needed, memory(config, 8, replicas=4).needed
    assert alone < shared < 1.2 * alone  # the batch is the same, the weights are four times there


def test_the_memory_of_a_gpu_is_what_tensorflow_can_have_of_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    prepare_tensorflow()
    import tensorflow as tf

    from electra_cli.training.devices import memory as module

    config = load_config(preset="base", environment={}).config
    names = [f"/job:localhost/replica:0/task:0/device:GPU:{index}" for index in (0, 1)]
    strategy = SimpleNamespace(extended=SimpleNamespace(worker_devices=names))

    def found(sizes: dict[str, int]) -> Memory:
        monkeypatch.setattr(module, "_bytes_of", lambda devices: sizes)
        return memory_of(
            config, budget_of, length=512, precision="bfloat16", replicas=2, strategy=strategy
        )

    cards = [tf.config.PhysicalDevice(f"/physical_device:GPU:{i}", "GPU") for i in (2, 5)]
    monkeypatch.setattr(tf.config, "get_visible_devices", lambda kind: cards)
    monkeypatch.setattr(tf.config, "get_logical_device_configuration", lambda card: None)
    details = {cards[1]: {"device_name": "NVIDIA L4"}, cards[0]: {}}
    monkeypatch.setattr(tf.config.experimental, "get_device_details", details.__getitem__)
    # The one with less counts, and nothing of the process does.
    short = found({names[0]: 30 * GIB, names[1]: 20 * GIB})
    assert short.needed == budget_of(config, 2, "bfloat16").memory_bytes
    assert short.limit is not None
    assert not short.limit.shared
    assert short.is_impossible
    error = short.error("this does not fit into memory", begun=False)
    assert error.exit_code == 71
    assert "128 rows of 512 tokens at once need about" in error.message
    assert "GiB, and GPU 5 (NVIDIA L4) offers 20.00 GiB; a batch of" in error.message
    assert error.hint.endswith("or end what else uses this one (nvidia-smi)")
    parts = error.hint.partition("accumulation_steps=")[2].partition(";")[0]
    config = config.replaced({"train.accumulation_steps": int(parts)})
    assert not found({names[0]: 30 * GIB, names[1]: 20 * GIB}).is_doubtful
    assert found({names[0]: GIB}).shortage(begun=True)[0].find("GPU 2 offers 1.00 GiB") > 0
    # Two parts of one card; and what does not tell.
    monkeypatch.setattr(tf.config, "get_visible_devices", lambda kind: cards[1:])
    monkeypatch.setattr(tf.config, "get_logical_device_configuration", lambda card: [1, 2])
    assert "GPU 5 (NVIDIA L4) offers" in found({names[1]: GIB}).shortage(begun=True)[0]
    assert found({}).limit is None


def test_what_tensorflow_tells_of_devices() -> None:
    """Of a CPU it says 256 MiB; nobody asks for that, but it comes from where a GPU's comes."""
    prepare_tensorflow()
    from electra_cli.training.devices.memory import _bytes_of

    cpu = "/job:localhost/replica:0/task:0/device:CPU:0"
    assert _bytes_of([cpu, cpu.replace("CPU", "GPU")]) == {cpu: 2**28}


PROC = {
    "proc/meminfo": "MemTotal: 9 kB\nSwapTotal:        2048 kB\n",
    "proc/self/status": "VmSize:\t 3145728 kB\nVmRSS:\t 1048576 kB\n",
}


def narrowest(root: Path, files: dict[str, str]) -> MemoryLimit:
    for name, text in {**PROC, **files}.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return memory_limit(root)


@pytest.mark.parametrize(
    ("files", "bytes_"),
    [
        (  # in a container that sees its own group as the root
            {"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": "1073741824\n"},
            1073741824,
        ),
        (  # the narrowest of the groups above it
            {
                "proc/self/cgroup": "0::/job/step\n",
                "sys/fs/cgroup/job/step/memory.max": "max\n",
                "sys/fs/cgroup/job/memory.max": "536870912\n",
                "sys/fs/cgroup/memory.max": "max\n",
            },
            536870912,
        ),
    ],
)
def test_limits_of_containers(files: dict[str, str], bytes_: int, tmp_path: Path) -> None:
    limit = narrowest(tmp_path, files)
    assert limit.bytes == bytes_
    assert "cgroup" in limit.words
    assert limit.impossible == bytes_ * 3 // 2 + 2048 * 1024


def test_without_other_limits_the_machine_is_the_limit(tmp_path: Path) -> None:
    limit = narrowest(tmp_path, {"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": "max\n"})
    assert limit.words == "this machine has"
    assert limit.bytes == os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def test_the_limit_of_the_shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is mapped and not used is taken off: 2 GiB of addresses."""
    monkeypatch.setattr(resource, "getrlimit", lambda which: (4 * GIB, 4 * GIB))
    limit = narrowest(tmp_path, {})
    assert limit.bytes == limit.impossible == 2 * GIB
    assert limit.words == "`ulimit -v` leaves"
    assert "`ulimit -v unlimited`" in limit.remedy


def test_no_room_for_tensorflow_is_said_before_it_is_imported(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda which: (10**9, 10**9))
    with pytest.raises(OutOfMemoryError, match=r"TensorFlow alone needs .* `ulimit -v` leaves"):
        prepare_tensorflow()


class TestCommands:
    """The limit of this machine replaced by a small one."""

    @pytest.fixture(autouse=True)
    def _a_small_machine(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("electra_cli.training.devices.memory.memory_limit", lambda: limit_of(2))

    def test_what_cannot_fit_ends_before_the_run_begins(
        self, electra: Electra, data: Path, tmp_path: Path
    ) -> None:
        run = tmp_path / "run"
        command = ["pretrain", "--preset", "tiny", "--data", data, "--device", "cpu", *settings()]
        many = ["--batch-size", 2_000_000, "--model-dir", run, "--json"]
        electra(*command, *many).failed(
            71,
            "2,000,000 rows of 32 tokens at once need about",
            "this machine has 2.00 GiB",
            "--set train.accumulation_steps=",
        )
        assert not (run / "config.yaml").exists()

    def test_a_dry_run_warns(self, electra: Electra, tmp_path: Path) -> None:
        command = ["pretrain", "--preset", "large", "--device", "cpu", "--dry-run", "--json"]
        result = electra(*command, "--model-dir", tmp_path / "run", "--quiet")
        assert result.code == 0
        assert "warning: this will not fit into memory: 2,048 rows" in result.stderr
        assert result.json["memory_bytes"] > 1000 * GIB
        assert result.json["memory_limit_bytes"] == 2 * GIB


def test_the_limit_of_this_process_is_found() -> None:
    assert 0 < memory_limit().bytes <= os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
