"""Prepared data on its way to a store and back: whole, or not there."""

from __future__ import annotations

import json
import shutil
import threading
from pathlib import Path

import pytest

from electra_cli.corpus.shards.cached import RemoteData, source_of
from electra_cli.corpus.shards.manifest import load_manifest, mismatch
from electra_cli.corpus.shards.published import Upload
from electra_cli.corpus.shards.verify import verify_data
from electra_cli.errors import DataError, IOFailedError, OutputError, TryAgainError
from electra_cli.files.atomic import locked_folder
from tests.conftest import needs_root, read_only, small_disk
from tests.s3 import S3, cut, status, unlisted

SHARD = "train-.*npy"


@pytest.fixture
def url(s3: S3, data: Path) -> str:
    """Where the prepared data of the tests lies."""
    place = f"{s3.bucket}/data"
    assert Upload(place).send(load_manifest(data)) > 0
    s3.proxy.requests.clear()
    return place


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def test_there_and_back(s3: S3, data: Path, url: str, tmp_path: Path) -> None:
    """Through faults; the copy is that of the manifest, and nothing is copied twice."""
    s3.proxy.fail("GET", SHARD, cut, 3)
    s3.proxy.fail("GET", "vocab", status(503, "SlowDown"), 2)
    found = RemoteData.at(f"{url}/", tmp_path)
    assert not found.is_there
    assert list(tmp_path.iterdir()) == []
    shares: list[float] = []
    found.fetch(on_progress=shares.append)
    assert shares[-1] == 1
    assert found.is_there
    assert verify_data(load_manifest(found.folder)).faults == []
    copy, original = contents(found.folder), contents(data)
    assert json.loads(copy.pop("source.json")) == {"url": f"{url}/"}
    assert copy == {name: original[name] for name in copy}
    s3.proxy.requests.clear()
    again = RemoteData.at(url, tmp_path)
    assert (again.folder, again.is_there) == (found.folder, True)
    again.fetch()
    assert s3.proxy.asked("GET", "npy") == 0
    manifest = found.folder / "manifest.json"
    manifest.write_bytes(manifest.read_bytes()[:500])
    assert not again.is_there
    again.fetch()
    assert manifest.read_bytes() == original["manifest.json"]
    assert s3.proxy.asked("GET", "npy") == 0
    # What has gone from the copy is copied again, and what has changed is told.
    shard = next(found.folder.glob("train-*.npy"))
    shard.unlink()
    assert not again.is_there
    again.fetch()
    assert again.is_there
    shard.write_bytes(bytes(shard.stat().st_size))
    faults = verify_data(again.manifest).faults
    assert f"rm -r {found.folder}" in mismatch(again.manifest, faults).hint


def test_the_vocabulary_comes_first(s3: S3, url: str, tmp_path: Path) -> None:
    """With it all is checked that needs no row; without the manifest it is no whole copy."""
    found = RemoteData.at(url, tmp_path)
    found.fetch_vocabulary()
    assert list(contents(found.folder)) == ["vocab.txt"]
    assert (found.is_there, source_of(found.folder)) == (False, None)
    s3.proxy.requests.clear()
    found.fetch_vocabulary()
    assert s3.proxy.requests == []
    found.fetch()
    assert found.is_there
    assert not s3.proxy.asked("GET", "vocab.txt")
    # The same data at another place is the same copy.
    RemoteData("https://user:secret-word@host/data", found.content, found.manifest).name_source()
    assert source_of(found.folder) == "https://***@host/data"
    (found.folder / "source.json").write_bytes(b"[]")
    assert source_of(found.folder) is None


def test_an_interruption(s3: S3, url: str, tmp_path: Path) -> None:
    """What was copied stays, and nothing looks whole until all of it is."""
    s3.proxy.fail("GET", "validation-.*npy", status(500), 100)
    found = RemoteData.at(url, tmp_path)
    with pytest.raises(TryAgainError, match="failed 8 times"):
        found.fetch()
    assert not (found.folder / "manifest.json").exists()
    s3.proxy.acts.clear()
    there = contents(found.folder)
    s3.proxy.requests.clear()
    found.fetch()
    assert not any(s3.proxy.asked("GET", name) for name in there if name.endswith(".npy"))
    assert found.is_there


def test_a_damaged_object(s3: S3, data: Path, url: str, tmp_path: Path) -> None:
    shard = load_manifest(data).shards[0]
    s3.put(f"data/{shard.file}", bytes(shard.bytes))
    found = RemoteData.at(url, tmp_path)
    with pytest.raises(DataError, match=f"{shard.file} is not what its folder says"):
        found.fetch()
    assert not found.is_there
    assert not list(found.folder.glob(f"*{shard.file}*"))


def test_one_download_for_all_processes(url: str, tmp_path: Path) -> None:
    found = RemoteData.at(url, tmp_path)
    found.folder.mkdir()
    told = threading.Event()
    with locked_folder(found.folder):
        waiting = threading.Thread(
            target=lambda: found.fetch(on_note=lambda text: told.set()), daemon=True
        )
        waiting.start()
        assert told.wait(60)
    waiting.join()
    assert found.is_there


@needs_root
def test_no_room(url: str, tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 40) as disk:
        found = RemoteData.at(url, disk)
        with pytest.raises(IOFailedError, match=r"bytes free, and [\d,]+ more are") as caught:
            found.fetch()
        assert "--cache-dir" in caught.value.hint
        assert not list(found.folder.glob("*.npy"))


def test_a_cache_that_cannot_be_written(url: str, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    cache.mkdir()
    with read_only(cache), pytest.raises(OutputError, match="cannot write to the cache") as caught:
        RemoteData.at(url, cache).fetch()
    assert "--cache-dir" in caught.value.hint


def test_a_manifest_that_leads_elsewhere(s3: S3, data: Path, tmp_path: Path) -> None:
    manifest = json.loads((data / "manifest.json").read_bytes())
    manifest["shards"][0]["file"] = "../../stolen"
    s3.put("bad/manifest.json", json.dumps(manifest).encode())
    with pytest.raises(DataError, match=r"'../../stolen'"):
        RemoteData.at(f"{s3.bucket}/bad", tmp_path)


def test_only_what_is_missing_is_sent(s3: S3, data: Path, url: str, tmp_path: Path) -> None:
    manifest = load_manifest(data)
    assert Upload(url).send(manifest) == 0
    assert s3.proxy.asked("PUT") == 0
    # An upload that is interrupted has no manifest, and the next one sends the rest.
    other = Upload(f"{s3.bucket}/other")
    other.check()
    assert not any(name.startswith("other/") for name in s3.names())
    s3.proxy.fail("PUT", "other/validation-", status(500), 100)
    with pytest.raises(TryAgainError):
        other.send(manifest)
    s3.proxy.acts.clear()
    there = [n for n in s3.names() if n.startswith("other/")]
    assert "other/manifest.json" not in there
    assert "other/upload.json" in there
    s3.proxy.requests.clear()
    # One whose size differs is sent again, and so is one that a listing leaves out.
    shard = next(n for n in there if "train-" in n)
    s3.put(shard, b"")
    s3.proxy.fail("GET", "list-type", unlisted("vocab.txt"), 100)
    Upload(f"{s3.bucket}/other").send(manifest)
    s3.proxy.acts.clear()
    sent = {path.rpartition("/")[2] for method, path, _ in s3.proxy.requests if method == "PUT"}
    assert {shard.rpartition("/")[2], "vocab.txt", "manifest.json"} <= sent
    puts = [path for method, path, _ in s3.proxy.requests if method == "PUT"]
    assert "manifest.json" in puts[-1]
    names = {name.removeprefix("other/") for name in s3.names() if name.startswith("other/")}
    assert names == {name.removeprefix("data/") for name in s3.names() if name.startswith("data/")}
    assert "upload.json" not in names


def test_what_is_there_is_not_overwritten(s3: S3, data: Path, tmp_path: Path) -> None:
    manifest = load_manifest(data)
    s3.put("mine/thesis.txt", b"years of work")
    for act in (
        Upload(f"{s3.bucket}/mine").check,
        lambda: Upload(f"{s3.bucket}/mine").send(manifest),
    ):
        with pytest.raises(OutputError, match=r"holds something else: thesis\.txt"):
            act()
    other = tmp_path / "other"
    shutil.copytree(data, other)
    changed = json.loads((other / "manifest.json").read_bytes()) | {"seed": 7}
    s3.put("old/manifest.json", json.dumps(changed).encode())
    with pytest.raises(OutputError, match="holds other prepared data"):
        Upload(f"{s3.bucket}/old").send(manifest)
    Upload(f"{s3.bucket}/old").check(seed=7)
    with pytest.raises(OutputError, match="other prepared data: its seed is 7, not 0"):
        Upload(f"{s3.bucket}/old").check(packing=manifest.packing, seed=0)
    with pytest.raises(OutputError, match=r"its vocab sha256 is .*, not 0123"):
        Upload(f"{s3.bucket}/old").check(**{"vocab.sha256": "0123"})
    with pytest.raises(OutputError, match="its seed is 7, not 0"):  # all is known by then
        Upload(f"{s3.bucket}/old").check(data)
    Upload(f"{s3.bucket}/old").check(tmp_path / "not-begun")
    assert sorted(s3.names()) == ["mine/thesis.txt", "old/manifest.json"]


def test_tasks_that_look_at_a_place_at_once(s3: S3) -> None:
    """What another one has put there to find out whether it may is nothing else."""
    s3.put("busy/upload.json", b"{}")
    s3.proxy.fail("HEAD", "busy/upload.json", status(404), 2)  # deleted after it was listed
    Upload(f"{s3.bucket}/busy").check()
