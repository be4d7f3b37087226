"""What needs a process of its own, or a disk: signal 9, closed pipes, the lock, no room."""

from __future__ import annotations

import itertools
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

from electra_cli.runs.commit import fault_of, read_commit
from electra_cli.training.loop.trainer import ElectraTrainer
from tests.conftest import Electra, needs_root, small_disk
from tests.training.runs import (
    error_of,
    finish,
    metric_lines,
    options,
    start,
    steps_of,
    wait_for,
)

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def expected(trained: Path) -> str:
    """The hash of the state of a run that nothing has stopped."""
    return read_commit(trained / "checkpoints" / "ckpt-12").state_sha256


def test_closed_streams_the_lock_and_signal_9(
    electra: Electra, data: Path, tmp_path: Path, trained: Path, expected: str
) -> None:
    run = tmp_path / "run"
    # `electra pretrain … 2>&1 | head -1`, and stdin closed.
    holder = start(
        [part for part in options(data, run) if part != "--json"],
        stdin=subprocess.DEVNULL,
        stderr=subprocess.STDOUT,
    )
    assert holder.stdout is not None
    holder.stdout.readline()
    holder.stdout.close()
    wait_for(lambda: 4 in steps_of(run), holder)
    os.kill(holder.pid, signal.SIGSTOP)  # it holds the lock for as long as this takes
    before = time.monotonic()
    second = electra(*options(data, run))
    assert time.monotonic() - before < 5
    second.failed(75, f"pid {holder.pid}", "host ", "started 20", str(run))
    holder.kill()
    holder.wait()
    assert metric_lines(run, "train")
    # The lock is free. Nobody reads what this start says, and the other stream is full.
    with Path("/dev/full").open("w") as full:
        resumed = start(options(data, run), stdout=full)
        assert resumed.stderr is not None
        resumed.stderr.close()
        code = resumed.wait()
    assert code == 74  # the result could not be given out
    assert read_commit(run / "checkpoints" / "ckpt-12").state_sha256 == expected
    assert json.loads((run / "result.json").read_text())["state_sha256"] == expected
    for kind in ("train", "validation"):
        assert metric_lines(run, kind) == metric_lines(trained, kind)


@needs_root
def test_a_disk_that_fills_up(
    electra: Electra, data: Path, tmp_path: Path, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Logs are lost, a checkpoint is tried twice; the same command goes on once there is room."""
    from electra_cli.training.loop.metric_writer import MetricWriter

    with small_disk(tmp_path / "disk", 20_000) as disk:
        run, ballast = disk / "run", disk / "ballast"
        write = MetricWriter.write

        def fill(self: MetricWriter, kind: str, step: int, values: dict[str, float]) -> None:
            if (kind, step) == ("train", 2):
                (run / "metrics.jsonl").unlink()  # an empty file has no room to spare
                with suppress(OSError), ballast.open("wb", buffering=0) as file:
                    while file.write(bytes(1 << 12)):
                        pass
            write(self, kind, step, values)

        with monkeypatch.context() as patch:
            patch.setattr(MetricWriter, "write", fill)
            failed = electra(*options(data, run))
        failed.failed(74, str(run / "checkpoints" / "ckpt-8"), "No space left", "bytes, free are")
        assert "metrics.jsonl: No space left on device; training goes on" in failed.stderr
        assert "ckpt-4" in failed.stderr  # the first attempt
        assert steps_of(run) == [0]
        assert fault_of(run / "checkpoints" / "ckpt-0", 0) is None
        assert [path.name for path in (run / "checkpoints").iterdir()] == ["ckpt-0"]
        # Still full: refused before TensorFlow starts.
        electra(*options(data, run)).failed(74, "bytes free", "free some space")
        ballast.unlink()
        done = electra(*options(data, run))
        assert done.json["state_sha256"] == expected
        assert sorted(metric_lines(run, "train")) == [2, 4, 6, 8, 10, 12]
        assert sorted(metric_lines(run, "validation")) == [0, 8, 12]  # 0 had been lost


def test_a_limit_on_the_size_of_files(
    electra: Electra, data: Path, tmp_path: Path, trained: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`ulimit -f`, a real one: its signal ends nothing, and it is as if the disk were full."""
    run, out = tmp_path / "run", tmp_path / "out"
    export = ["export", trained, "--format", "huggingface", "--output", out, "--json"]
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, hard))
    try:
        refused, not_exported = electra(*options(data, run)), electra(*export)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    refused.failed(74, str(run / "checkpoints" / "ckpt-0"), "File too large", "ulimit -f")
    assert list((run / "checkpoints").iterdir()) == []
    not_exported.failed(74, str(out), "File too large")
    assert [path.name for path in tmp_path.iterdir()] == ["run"]
    monkeypatch.setattr("electra_cli.environment.prepare_tensorflow", lambda: 1 / 0)
    electra(*options(data, run)).failed(70, "ZeroDivisionError")  # it is no obstacle


@needs_root
@pytest.mark.parametrize("inodes", [1, 2])
def test_no_room_for_another_file(
    electra: Electra, data: Path, tmp_path: Path, inodes: int
) -> None:
    """There are bytes free, but no inode: for the run folder, or for the first file in it."""
    with small_disk(tmp_path / "disk", 20_000, inodes=inodes) as disk:
        failed = electra(*options(data, disk / "run"))
    failed.failed(74, str(disk / "run"), "No space left", "free some space and run the same")


def test_a_shard_that_is_cut_while_it_is_read(
    electra: Electra, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In training; with the file back the same command goes on, up to where another is cut."""
    copy, run = tmp_path / "data", tmp_path / "run"
    shutil.copytree(data, copy)
    command = options(copy, run, "--set=train.evaluate_every=100", "--set=train.log_every=1")
    for split, name in (("train", "train_loop_end"), ("validation", "eval_reduce")):
        shard = next(copy.glob(f"{split}-*.npy"))
        whole = shard.read_bytes()
        with monkeypatch.context() as patch:
            original = getattr(ElectraTrainer, name)

            calls = itertools.count()

            def cut(*arguments: object, original=original, shard=shard, calls=calls) -> object:
                if next(calls) == 1:
                    os.truncate(shard, 300)
                return original(*arguments)

            patch.setattr(ElectraTrainer, name, cut)
            failed = electra(*command)
        failed.failed(74, f"{shard} was cut: it ends before row", "at step ", "put the file back")
        shard.write_bytes(whole)
    assert steps_of(run) == [0, 4, 8, 12]


def test_an_input_that_hangs(data: Path, tmp_path: Path) -> None:
    """A read that never ends: 75, who waits for what, and the stacks of all threads."""
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    script = (
        "import sys\n"
        "from electra_cli.environment import prepare_tensorflow\n"
        "prepare_tensorflow()\n"
        "from electra_cli.cli.app import run\n"
        "from electra_cli.inputs.store import RowStore\n"
        "RowStore.gather = lambda self, indices: open(sys.argv[1]).read()\n"
        "sys.exit(run(sys.argv[2:]))\n"
    )
    command = options(data, tmp_path / "run", "--set", "runtime.stall_timeout=4")
    done = subprocess.run(
        [sys.executable, "-c", script, fifo, *command], capture_output=True, text=True, check=False
    )
    assert done.returncode == 75, done.stderr
    error = error_of(done.stdout)
    assert error["exit_code"] == 75
    assert "nothing has ended for 4 seconds; waiting for " in str(error["message"])
    assert "runtime.stall_timeout" in str(error["hint"])
    assert "error: nothing has ended" in done.stderr
    assert done.stderr.count("most recent call first") > 1
    assert steps_of(tmp_path / "run") in ([], [0])


def test_a_signal_where_stderr_is_full_and_nobody_reads(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As with a pager that was left open: what cannot be said is lost, the signal is obeyed."""
    # The kernels that the tests share make XLA say something, and it would wait for ever.
    monkeypatch.delenv("TF_XLA_FLAGS", raising=False)
    run = tmp_path / "run"
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    with suppress(BlockingIOError):
        while True:
            os.write(writer, bytes(4096))
    os.set_blocking(writer, True)
    process = start(options(data, run, steps=10**6), stderr=writer)
    wait_for(lambda: len(metric_lines(run, "train")) > 3, process)
    process.send_signal(signal.SIGTERM)
    code, out, _ = finish(process)
    assert (code, error_of(out)["exit_code"]) == (143, 143)
    os.close(reader)
    os.close(writer)


def test_an_error_object_even_when_terminated(data: Path, tmp_path: Path) -> None:
    """SIGTERM at any moment of the start: one JSON object, 143, and nothing is left."""
    run = tmp_path / "run"
    process = start(options(data, run))
    wait_for(lambda: (run / "lock.json").is_file(), process)
    process.terminate()
    code, out, err = finish(process)
    assert code == 143, err
    assert error_of(out)["exit_code"] == 143
    assert not run.exists() or steps_of(run)  # it may have been quick
