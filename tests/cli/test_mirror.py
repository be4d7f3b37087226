"""--data URL, --cache-dir and --mirror of pretrain, --upload of prepare-data; nothing trains."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest

from electra_cli.corpus.shards.manifest import load_manifest
from electra_cli.corpus.shards.published import Upload
from electra_cli.files.remote.store import Store
from tests.conftest import Electra, settings
from tests.s3 import S3, Answer, status
from tests.training.runs import copied, options, steps_of


@pytest.fixture
def run(trained: Path, tmp_path: Path) -> Path:
    """A run that is finished."""
    return copied(trained, tmp_path / "run")


@pytest.fixture
def url(s3: S3, data: Path) -> str:
    """Prepared data in a store."""
    Upload(f"{s3.bucket}/data").send(load_manifest(data))
    s3.proxy.requests.clear()
    return f"{s3.bucket}/data"


def test_a_finished_run(
    electra: Electra, s3: S3, run: Path, url: str, data: Path, trained: Path, tmp_path: Path
) -> None:
    """It is mirrored to its end, and elsewhere it is finished too; data comes from the cache."""
    mirror, cache = f"{s3.bucket}/run", tmp_path / "cache"
    s3.proxy.fail("PUT", "held-out", status(500), 1000)
    more = ["--cache-dir", cache, "--mirror", mirror]
    failed = electra(*options(url, run, *more))
    failed.failed(75, f"{mirror} is not what {run} is", "the same command again")
    assert failed.stderr.count("warning: ") == 1
    s3.proxy.acts.clear()
    done = electra(*options(url, run, *more))
    assert done.code == 0, done.stderr
    expected = json.loads((trained / "result.json").read_text())
    assert done.json["state_sha256"] == expected["state_sha256"]
    assert "was written by host" in done.stderr
    folder = next(cache.iterdir())
    assert f"is in {folder} already" in done.stderr
    # Elsewhere, with the copy of the data and by its URL in the configuration.
    s3.proxy.requests.clear()
    fresh = tmp_path / "fresh"
    elsewhere = electra(*options(folder, fresh, "--set", f"data.path={url}", "--mirror", mirror))
    assert elsewhere.code == 0, elsewhere.stderr
    assert elsewhere.json["state_sha256"] == expected["state_sha256"]
    assert elsewhere.json["run_dir"] == str(fresh)
    assert steps_of(fresh) == [12]
    assert "copying the checkpoint of step 12" in elsewhere.stderr
    assert s3.proxy.asked("GET", "npy") == 0
    # By the configuration of the run, which is not there yet.
    third = tmp_path / "third"
    command = ["pretrain", "--config", third / "config.yaml", "--model-dir", third, "--json"]
    by_config = electra(*command, "--mirror", mirror)
    assert by_config.code == 0, by_config.stderr
    assert by_config.json["state_sha256"] == expected["state_sha256"]
    # What is damaged there is told and sent again.
    broken = f"{mirror}/checkpoints/ckpt-12/state.index"
    Store("s3").delete(broken)
    mended = electra(*options(data, third, "--mirror", mirror))
    assert mended.code == 0, mended.stderr
    assert f"not whole in {mirror}: step 12; what is here of it is sent again" in mended.stderr
    assert Store("s3").read(broken) == (third / "checkpoints/ckpt-12/state.index").read_bytes()


def test_what_cannot_be(
    electra: Electra, s3: S3, run: Path, url: str, data: Path, tmp_path: Path
) -> None:
    def refused(code: int, *words: str, of: object = data, more: list[object]) -> None:
        electra(*options(of, run, *more)).failed(code, *words)  # type: ignore[arg-type]

    s3.put("mine/a.txt", b"mine")
    refused(73, "holds something that is no mirror", more=["--mirror", f"{s3.bucket}/mine"])
    for place in (tmp_path, "https://host/run", f"{s3.bucket}/run*", "ftp://host/run"):
        refused(2, f"--mirror {place}: expected", "s3://BUCKET", more=["--mirror", place])
    refused(2, "--cache-dir", "is a folder here", more=["--cache-dir", tmp_path])
    refused(66, "not found", of=f"{s3.bucket}/nothing", more=[])
    refused(66, "not found", of="s3://no-such-bucket/data", more=[])
    refused(2, "is a URL", of="hdfs://host/data", more=[])
    refused(73, "not found", more=["--mirror", "s3://no-such-bucket/run"])
    s3.proxy.fail("GET", "mirror.json", status(403, "AccessDenied"), 10)
    refused(66, "was refused", "AWS_ACCESS_KEY_ID", more=["--mirror", f"{s3.bucket}/run"])
    names = ["data/" + path.name for path in data.iterdir() if path.is_file()]
    assert {n for n in s3.names() if n != "mine/a.txt"} <= set(names)
    # A look ahead copies nothing.
    cache = tmp_path / "cache"
    look = electra(
        "pretrain", "--preset", "tiny", "--data", url, "--dry-run", "--json",
        "--cache-dir", cache, "--device", "cpu", *settings(),
    )  # fmt: skip
    assert look.code == 0, look.stderr
    assert f"would be copied to {cache}" in look.stderr
    assert look.json["epochs"] is not None
    assert not cache.exists()


def test_prepare_data_and_upload(electra: Electra, s3: S3, corpus: Path, tmp_path: Path) -> None:
    output, place = tmp_path / "data", f"{s3.bucket}/new"
    command = [
        "prepare-data", corpus, "--output", output, "--workers", 1, "--vocab-size", 300,
        "--json", "--upload",
    ]  # fmt: skip
    electra(*command, tmp_path).failed(2, "--upload", "s3://BUCKET")
    s3.put("mine/a.txt", b"mine")
    electra(*command, f"{s3.bucket}/mine").failed(73, "holds something else")
    assert not output.exists()
    missing = ["prepare-data", tmp_path / "nothing", *command[2:], place]
    electra(*missing).failed(66, "nothing")
    assert s3.names() == ["mine/a.txt"]

    def stop(answer: Answer) -> Answer:
        os.kill(os.getpid(), signal.SIGTERM)
        return answer

    s3.proxy.fail("PUT", "new/train", stop)
    electra(*command, place).failed(143, "SIGTERM")
    s3.proxy.fail("PUT", "new/train", status(500), 100)
    electra(*command, place).failed(75, "failed 8 times", "the same command again")
    assert (output / "manifest.json").is_file()
    s3.proxy.acts.clear()
    done = electra(*command, place)
    assert done.code == 0, done.stderr
    assert "copying " in done.stderr
    for name in ("manifest.json", "vocab.txt"):
        assert Store("s3").read(f"{place}/{name}") == (output / name).read_bytes()
    electra(*missing, "--seed", 3).failed(73, "its seed is 0, not 3")
    again = electra(*command, place)
    assert f"{place} has all of it already" in again.stderr
