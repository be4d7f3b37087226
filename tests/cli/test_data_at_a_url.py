"""Data at a URL and the run that has it: compared before it is copied, and found again."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from electra_cli.config.load import dump_config, read_config
from electra_cli.corpus.shards.cached import RemoteData
from electra_cli.corpus.shards.manifest import load_manifest
from electra_cli.corpus.shards.published import Upload
from electra_cli.runs.run_folder import RunFolder
from electra_cli.training.plan.begin import create_run_folder
from tests.cli.test_resume import plan_of
from tests.conftest import Electra
from tests.s3 import S3, status
from tests.training.runs import copied, options


@pytest.fixture
def url(s3: S3, data: Path) -> str:
    """Prepared data in a store."""
    Upload(f"{s3.bucket}/data").send(load_manifest(data))
    s3.proxy.requests.clear()
    return f"{s3.bucket}/data"


@pytest.fixture
def run(trained: Path, tmp_path: Path, url: str) -> Path:
    """A run that is finished, of data whose copy is gone."""
    run = RunFolder(copied(trained, tmp_path / "run"))
    gone = read_config(run.config).replaced({"data.path": str(tmp_path / "gone" / "data-1")})
    run.config.write_text(dump_config(gone))
    (run.data / "source.json").write_text(json.dumps({"url": url}))
    return run.path


def test_other_data_is_refused_before_it_is_copied(
    electra: Electra, s3: S3, data: Path, run: Path, tmp_path: Path
) -> None:
    manifest = json.loads((data / "manifest.json").read_bytes())
    manifest["shards"][0]["sha256"] = "0" * 64
    s3.put("other/manifest.json", json.dumps(manifest).encode())
    s3.put("other/vocab.txt", data / "vocab.txt")
    other = f"{s3.bucket}/other"
    cache = ["--cache-dir", tmp_path / "cache"]
    result = electra(*options(other, run, *cache))  # type: ignore[arg-type]
    result.failed(65, f"{run} was trained on other data")
    result = electra(*options(other, tmp_path / "new", *cache, "--set=data.sequence_length=64"))  # type: ignore[arg-type]
    result.failed(2, "data.sequence_length 64")
    assert "copied" not in result.stderr
    s3.proxy.fail("GET", "manifest.json", status(503), 99)
    electra(*options(other, run, *cache)).failed(75, "failed 8 times", "without --data")  # type: ignore[arg-type]
    assert s3.proxy.asked("GET", "npy") == 0


def test_a_run_knows_where_its_data_was_copied_from(
    electra: Electra, s3: S3, url: str, data: Path, run: Path, trained: Path, tmp_path: Path
) -> None:
    """On another machine the same command needs no --data; a password has to be given again."""
    whole = options(data, run, "--cache-dir", tmp_path / "cache")
    command = [*whole[:3], *whole[5:]]  # without --data
    again = electra(*command)
    assert again.code == 0, again.stderr
    assert (
        again.json["state_sha256"]
        == json.loads((trained / "result.json").read_text())["state_sha256"]
    )
    assert f"going on with that of {run}, {url}" in again.stderr
    assert "is copied to" in again.stderr
    shutil.rmtree(tmp_path / "cache")
    again = electra(*command, "--config", run / "config.yaml")  # it names the copy
    assert again.code == 0, again.stderr
    again = electra(*command)
    assert "is copied to" not in again.stderr
    assert again.code == 0, again.stderr  # although --cache-dir is of no use
    shutil.rmtree(tmp_path / "cache")
    by_path = electra(*options(tmp_path / "gone" / "data-1", run))
    by_path.failed(66, f"--model-dir {run} --data {url}` copies it again; or name")
    hidden = url.replace("s3://", "https://***@")
    (run / "data" / "source.json").write_text(json.dumps({"url": hidden}))
    electra(*command).failed(66, f"--data {hidden}")


def test_the_record(data: Path, trained: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(data, copy)
    manifest = load_manifest(copy)
    RemoteData("hf://datasets/a/b", (copy / "manifest.json").read_bytes(), manifest).name_source()
    run = RunFolder(copied(trained, tmp_path / "run"))
    assert run.data_url is None
    create_run_folder(plan_of(copy, run.path), bindings="", initialized=None)
    assert run.data_url == "hf://datasets/a/b"
    RemoteData("s3://c", (copy / "manifest.json").read_bytes(), manifest).name_source()
    create_run_folder(plan_of(copy, run.path), bindings="", initialized=None)
    assert run.data_url == "hf://datasets/a/b"  # whatever another run has of the same copy
    (run.data / "source.json").write_text('{"url": "/etc"}')
    assert run.data_url is None
