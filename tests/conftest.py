"""What all tests share: a quiet TensorFlow with two virtual CPUs, and commands run in process."""

from __future__ import annotations

import atexit
import ctypes
import gc
import json
import os
import resource
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from electra_cli.cli.app import run
from electra_cli.environment import prepare_tensorflow, prepare_torch
from tests.places import ROOT

pytest_plugins = ["tests.finetuning.finished", "tests.s3"]

# Every run that a test trains needs the same kernels; whoever compiles one first keeps it for all.
if "TF_XLA_FLAGS" not in os.environ:
    kernels = tempfile.mkdtemp(prefix="electra-kernels-")
    atexit.register(shutil.rmtree, kernels, ignore_errors=True)
    os.environ["TF_XLA_FLAGS"] = f"--tf_xla_persistent_cache_directory={kernels}"

# Processes that the tests start keep what they print until they end, as those of users do.
os.environ.pop("PYTHONUNBUFFERED", None)

prepare_tensorflow()
prepare_torch()

# A job in the background of a script is started with these ignored, and so would be the processes
# that the tests start and send signals to.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fails where root has skipped a test: root can run them all, and is who runs them in CI."""
    terminal = session.config.pluginmanager.get_plugin("terminalreporter")
    if terminal and os.geteuid() == 0 and "skipped" in terminal.stats:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
        terminal.write_line("\nfailed: nothing may be skipped for root", red=True)


@pytest.fixture(scope="session", autouse=True)
def _two_virtual_cpus() -> None:
    """TensorFlow fixes its devices at first use, so they are chosen before any test runs."""
    import tensorflow as tf

    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)


@pytest.fixture(scope="session", autouse=True)
def _temporary_files(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What others make for a while, and leave when a test ends them, goes with all other files."""
    folder = str(tmp_path_factory.mktemp("tmp"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TMPDIR", folder)
        patch.setattr(tempfile, "tempdir", folder)
        yield


@pytest.fixture(scope="session", autouse=True)
def _one_measurement() -> Iterator[None]:
    """The rate of a processor is measured once: it takes a fifth of the time of a small run."""
    from electra_cli.training.devices import machine

    measure, found = machine.matmul_peak, dict[Any, float]()

    def measured(precision: str, strategy: Any, **counts: Any) -> float:
        asked = (precision, *counts.items())
        if asked not in found:
            found[asked] = measure(precision, strategy, **counts)
        return found[asked]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(machine, "matmul_peak", measured)
        yield


@pytest.fixture(scope="module", autouse=True)
def _old_graphs_cost_no_time() -> Iterator[None]:
    """Traced graphs go with the module that traced them; what stays is frozen.

    Frozen, the collector does not walk the rest again and again. Walking it once, to find what is
    garbage, takes seconds too, and is worth it for half a gigabyte.
    """
    from electra_cli.tasks.traces import gradients_forgotten

    global _collected
    with gradients_forgotten():
        yield
    if not _is_over and _resident() > _collected + 2**29:
        gc.unfreeze()
        gc.collect()
        ctypes.CDLL(None).malloc_trim(0)  # what is free goes back to the machine
        _collected = _resident()
    gc.freeze()


_collected = 0
_is_over = False


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_teardown(nextitem: pytest.Item | None) -> None:
    """Walking all that many tests have left takes most of a minute, which nothing comes after."""
    global _is_over
    _is_over = nextitem is None


def _resident() -> int:
    """Bytes of this process that are in memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


@pytest.fixture(autouse=True)
def _reports_without_pictures(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Drawing takes as long as a small run, and every run ends with a report.

    Tests of reports draw, and so do the runs of fixtures that many tests share.
    """
    if "report" not in str(request.path.relative_to(ROOT)):
        monkeypatch.setattr("electra_cli.report.page.page.svg_of", lambda panel: "")


@dataclass(frozen=True)
class Result:
    """What a command did.

    Attributes:
      code: Its exit code.
      stdout: All of its standard output.
      stderr: All of its standard error.
    """

    code: int
    stdout: str
    stderr: str

    @property
    def json(self) -> dict[str, Any]:
        """The one JSON object on stdout."""
        lines = self.stdout.splitlines()
        assert len(lines) == 1, self.stdout
        return json.loads(lines[0])

    def failed(self, code: int, *words: str) -> None:
        """Checks an error: exit code, message for people and object for scripts."""
        assert self.code == code, self.stderr
        error = self.json["error"]
        assert error["exit_code"] == code
        assert error["message"]
        for word in words:
            assert word in error["message"] + error["hint"], (word, error)
        flat = " ".join(self.stderr.split())
        assert "error: " + " ".join(error["message"].split()) in flat, self.stderr
        assert "Traceback" not in self.stderr


Electra = Callable[..., Result]


@pytest.fixture
def electra(capfd: pytest.CaptureFixture[str]) -> Electra:
    """Runs a command line in this process: electra("pretrain", "--preset", "tiny")."""

    def call(*arguments: object) -> Result:
        capfd.readouterr()
        code = run([str(argument) for argument in arguments])
        captured = capfd.readouterr()
        return Result(code, captured.out, captured.err)

    return call


@pytest.fixture(scope="session")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small corpus of real English: a part of Python's own documentation, one JSON a line."""
    from pydoc_data.topics import topics

    folder = tmp_path_factory.mktemp("corpus")
    path = folder / "topics.jsonl"
    chosen = sorted(topics.items())[:40]
    lines = [json.dumps({"id": name, "text": text}) for name, text in chosen]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def _prepared(corpus: Path, folder: Path, **options: Any) -> Path:
    from tests.prepared import prepare

    fixed = {"vocab_size": 600, "sequence_length": 32, "validation_fraction": 0.1, "seed": 0}
    prepare(inputs=corpus, output=folder, workers=1, **fixed, **options)
    return folder


@pytest.fixture(scope="session")
def data(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The corpus prepared in rows of 32 with 600 word pieces."""
    return _prepared(corpus, tmp_path_factory.mktemp("prepared") / "data")


@pytest.fixture(scope="session")
def full(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same in rows that hold several documents."""
    return _prepared(corpus, tmp_path_factory.mktemp("full") / "data", packing="full")


SMALL = (
    "model.hidden_size=32",
    "model.embedding_size=24",
    "model.num_layers=1",
    "model.num_attention_heads=2",
    "model.intermediate_size=64",
    "model.max_position_embeddings=64",
    "generator.size=0.5",
    "data.sequence_length=32",
    "train.batch_size=8",
    "train.checkpoint_every=4",
    "train.evaluate_every=8",
    "train.log_every=2",
    "optimizer.warmup_steps=4",
    "runtime.precision=float32",
)


def settings(*values: str) -> list[str]:
    """Options that shrink a preset to what a test can train in seconds, and more."""
    return [part for value in (*SMALL, *values) for part in ("--set", value)]


@pytest.fixture(scope="session")
def trained(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run folder with twelve steps of training and checkpoints 0, 4, 8 and 12."""
    folder = tmp_path_factory.mktemp("runs") / "trained"
    arguments = ["pretrain", "--preset", "tiny", "--data", str(data), "--model-dir", str(folder)]
    assert run([*arguments, "--steps", "12", "--device", "cpu", "--quiet", *settings()]) == 0
    return folder


@pytest.fixture
def compiled(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of what was compiled as a whole."""
    from electra_cli.tasks import step
    from electra_cli.training.loop import trainer

    names: list[str] = []

    def whole(function: Callable[..., Any], xla: bool) -> Callable[..., Any]:
        names.extend([function.__name__] * xla)
        return step.whole(function, xla)

    monkeypatch.setattr(trainer, "whole", whole)
    return names


needs_root = pytest.mark.skipif(
    os.geteuid() != 0, reason="mounts a disk of its own, which takes root"
)


@contextmanager
def small_disk(folder: Path, kilobytes: int, *, inodes: int = 1000) -> Iterator[Path]:
    """Makes a folder that is a disk of its own and soon full; the test is marked `needs_root`."""
    folder.mkdir()
    size = f"size={kilobytes}k,nr_inodes={inodes}"
    subprocess.run(["mount", "-t", "tmpfs", "-o", size, "tmpfs", folder], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


@contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """Makes a folder read-only: by a mount for root, whom mode bits do not stop."""
    if os.geteuid() != 0:
        folder.chmod(0o555)
        try:
            yield
        finally:
            folder.chmod(0o755)
        return
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", folder], check=True)
    try:
        subprocess.run(["mount", "-o", "remount,ro", folder], check=True)
        yield
    finally:
        subprocess.run(["umount", folder], check=True)
