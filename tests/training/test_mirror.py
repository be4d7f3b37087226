"""A machine that vanishes costs at most what it did since its last checkpoint in the mirror."""

from __future__ import annotations

import json
import os
import re
import signal
import time
from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from electra_cli.cluster.protocol import Timing
from electra_cli.corpus.shards.manifest import load_manifest
from electra_cli.corpus.shards.published import Upload
from electra_cli.files.remote.store import Store
from electra_cli.runs.commit import read_commit
from electra_cli.runs.mirror.index import NEEDED, Index, read_index
from electra_cli.runs.mirror.mirror import Mirror
from electra_cli.runs.mirror.sending import Sender
from electra_cli.runs.run_folder import RunFolder
from electra_cli.training.checkpoints.keeping import Keep
from electra_cli.training.checkpoints.saver import CheckpointSaver
from electra_cli.training.loop.trainer import ElectraTrainer
from tests.conftest import Electra
from tests.s3 import S3, Answer, status
from tests.training.runs import copied, error_of, metric_lines, options, start, steps_of
from tests.training.workers import ends, workers

pytestmark = pytest.mark.slow


def index_of(mirror: str) -> Index:
    index = read_index(Store("s3"), mirror)
    assert index is not None
    return index


def sha256(run: Path) -> str:
    return read_commit(run / "checkpoints" / "ckpt-12").state_sha256


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
    index = index_of(mirror)
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
    after = index_of(mirror)
    assert after.newest == max(steps_of(tmp_path / "second" / "run")) >= index.newest

    last = electra(*command("third"))
    assert last.code == 0, last.stderr
    assert last.json["start_step"] == after.newest
    run = tmp_path / "third" / "run"
    assert sha256(run) == sha256(trained)
    for kind in ("train", "validation"):
        assert metric_lines(run, kind) == metric_lines(trained, kind)
    assert index_of(mirror).newest == 12
    for name in ("result.json", "metrics.jsonl", "config.yaml"):
        assert Store("s3").read(f"{mirror}/{name}") == (run / name).read_bytes()


def test_from_a_mirror_that_has_only_what_is_needed(
    electra: Electra, s3: S3, data: Path, trained: Path, tmp_path: Path
) -> None:
    """The same bits without all else, of which the run writes its own again."""
    mirror = f"{s3.bucket}/run"
    sender = Sender(mirror, RunFolder(copied(trained, tmp_path / "run", newest=8)), newest=10)
    sender.claim()
    sender.copy()
    others = set(index_of(mirror).files) - set(NEEDED)
    for name in others:
        Store("s3").delete(f"{mirror}/{name}")
    run = tmp_path / "fresh"
    found = electra(*options(data, run, "--mirror", mirror))
    assert found.code == 0, found.stderr
    assert found.json["start_step"] == 8
    for name in others:
        assert name in found.stderr
    assert sha256(run) == sha256(trained)
    assert {"metrics.jsonl", "result.json", "report.html"} <= set(index_of(mirror).files)


def two(data: Path, run: Path, mirror: str, *more: object) -> list[tuple[int, str, str]]:
    """What two workers end with."""
    command = options(data, run, "--mirror", mirror, *more)
    with workers(command, command) as both:
        return ends(both)


def test_workers_with_a_mirror(s3: S3, data: Path, trained: Path, tmp_path: Path) -> None:
    """One of them writes, all end alike, and fresh machines have what it has written."""
    whole, lost, fresh = (tmp_path / name for name in ("whole", "lost", "fresh"))
    mirror = f"{s3.bucket}/whole"
    copied(trained, whole)
    s3.proxy.fail("PUT", "result.json", status(403, "AccessDenied"), 100)
    for code, out, err in two(data, whole, mirror):
        assert code == 75, err
        assert f"{mirror} is not what {whole} is" in str(error_of(out)["message"])
    s3.proxy.acts.clear()
    written = Counter(
        path.partition("?")[0]
        for method, path, _ in s3.proxy.requests
        if method == "PUT" and "/checkpoints/" in path
    )
    assert set(written.values()) == {1}
    assert sorted(index_of(mirror).checkpoints) == steps_of(whole)
    assert [code for code, _, _ in two(data, whole, mirror)] == [0, 0]
    first, second = two(data, fresh, mirror)
    assert (first[0], second[0]) == (0, 0), first
    assert json.loads(first[1]) == json.loads(second[1])
    assert json.loads(first[1])["run_dir"] == str(fresh)
    assert sha256(fresh) == sha256(trained)

    # Ended by an error of all, while a copy takes longer than workers wait for each other's errors.
    mirror = f"{s3.bucket}/lost"
    copied(trained, lost, newest=8)

    def slow(answer: Answer) -> Answer:
        time.sleep(1.5 * Timing().grace)
        return answer

    s3.proxy.fail("PUT", "ckpt-8/state.index", slow)
    key = "optimizer.warmup_steps"
    longer = ["--set", f"{key}=8", "--allow-config-change", key]
    for code, out, err in two(data, lost, mirror, *longer, "--stop-on", "warmup-too-long"):
        assert code == 70, err
        assert "warmup-too-long" in str(error_of(out)["message"])
    assert index_of(mirror).newest == 8


def test_workers_on_fresh_machines(s3: S3, data: Path, trained: Path, tmp_path: Path) -> None:
    """They train on from the newest checkpoint, each with its own copy of the data."""
    Upload(f"{s3.bucket}/data").send(load_manifest(data))
    mirror, run = f"{s3.bucket}/run", tmp_path / "run"
    sender = Sender(mirror, RunFolder(copied(trained, tmp_path / "lost", newest=8)), newest=10)
    sender.claim()
    sender.copy()
    url: Any = f"{s3.bucket}/data"
    caches = [["--cache-dir", tmp_path / name, "--mirror", mirror] for name in ("a", "b")]
    with workers(*[options(url, run, *cache) for cache in caches]) as both:
        for code, out, err in ends(both):
            assert code == 0, err
            found = json.loads(out)
            assert (found["start_step"], found["final_step"], found["workers"]) == (8, 12, 2)
    assert index_of(mirror).newest == 12
    assert Store("s3").read(f"{mirror}/result.json") == (run / "result.json").read_bytes()


def test_the_saver_of_a_run_with_a_mirror(trained: Path, tmp_path: Path) -> None:
    """It leaves what is being copied, and says that there is something new."""
    run = RunFolder(copied(trained, tmp_path / "run"))
    told: list[list[int]] = []
    mirror = SimpleNamespace(
        holds=lambda checkpoint: checkpoint.name == "ckpt-4",
        notify=lambda: told.append(steps_of(run.path)),
    )
    saver = CheckpointSaver(cast(Any, None), run, {}, Keep(1), 0, mirror=cast(Mirror, mirror))
    saver.record_evaluation(12, {"masked_lm_loss": 1.0})
    assert told == [[4, 12]]
