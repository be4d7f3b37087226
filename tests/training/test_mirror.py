"""A machine that vanishes costs at most what it did since its last checkpoint in the mirror."""

from __future__ import annotations

import os
import re
import signal
from pathlib import Path

import pytest

from electra_cli.corpus.shards.manifest import load_manifest
from electra_cli.corpus.shards.published import Upload
from electra_cli.files.remote.store import Store
from electra_cli.runs.commit import read_commit
from electra_cli.runs.mirror.index import read_index
from electra_cli.training.loop.trainer import ElectraTrainer
from tests.conftest import Electra
from tests.s3 import S3, Answer
from tests.training.runs import metric_lines, options, start, steps_of

pytestmark = pytest.mark.slow


def test_signal_9_and_a_signal_each_on_a_machine_of_its_own(
    electra: Electra,
    s3: S3,
    data: Path,
    trained: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Data by its URL, three machines that have nothing of each other: equal to the last bit."""
    Upload(f"{s3.bucket}/data").send(load_manifest(data))
    mirror = f"{s3.bucket}/run"

    def command(machine: str) -> list[str]:
        place = tmp_path / machine
        cache = ["--cache-dir", place / "cache", "--mirror", mirror]
        return options(f"{s3.bucket}/data", place / "run", *cache)  # type: ignore[arg-type]

    # The first machine vanishes while it sends the third of its checkpoints.
    first = start(command("first"))

    def vanish(answer: Answer) -> Answer:
        found = (re.search(r"/ckpt-(\d+)/state", path) for _, path, _ in s3.proxy.requests)
        if len({match[1] for match in found if match}) == 3:
            first.kill()
        return answer

    s3.proxy.fail("PUT", "/state", vanish, 1000)
    first.communicate()
    assert first.returncode == -signal.SIGKILL
    s3.proxy.acts.clear()
    index = read_index(Store("s3"), mirror)
    assert index is not None
    assert index.newest in (4, 8, 12)

    # The second is told to end in its first loop.
    original = ElectraTrainer.train_loop_end

    def told(self: ElectraTrainer) -> object:
        os.kill(os.getpid(), signal.SIGTERM)
        return original(self)

    with monkeypatch.context() as patch:
        patch.setattr(ElectraTrainer, "train_loop_end", told)
        stopped = electra(*command("second"))
    if index.newest < 12:
        assert stopped.code == 143, stopped.stderr
    after = read_index(Store("s3"), mirror)
    assert after is not None
    assert after.newest == max(steps_of(tmp_path / "second" / "run")) >= index.newest

    last = electra(*command("third"))
    assert last.code == 0, last.stderr
    assert last.json["start_step"] == after.newest
    expected = read_commit(trained / "checkpoints" / "ckpt-12").state_sha256
    run = tmp_path / "third" / "run"
    assert read_commit(run / "checkpoints" / "ckpt-12").state_sha256 == expected
    for kind in ("train", "validation"):
        assert metric_lines(run, kind) == metric_lines(trained, kind)
    ended = read_index(Store("s3"), mirror)
    assert ended is not None
    assert ended.newest == 12
    for name in ("result.json", "metrics.jsonl", "config.yaml"):
        assert Store("s3").read(f"{mirror}/{name}") == (run / name).read_bytes()
