"""A mirror holds what is committed of a run, in an order that a killed writer cannot spoil."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from electra_cli.errors import DataError, ElectraError, OutputError, TryAgainError
from electra_cli.files.remote.store import Store
from electra_cli.runs.commit import fault_of, read_commit
from electra_cli.runs.lock import locked_run
from electra_cli.runs.mirror.index import read_index
from electra_cli.runs.mirror.restoring import restore_run
from electra_cli.runs.mirror.sending import DisplacedError, Sender
from electra_cli.runs.run_folder import RunFolder
from tests.s3 import S3, cut, status, unlisted
from tests.training.runs import copied, steps_of

STORE = Store("s3")


@pytest.fixture
def run(trained: Path, tmp_path: Path) -> RunFolder:
    """A run with the checkpoints 0, 4, 8 and 12."""
    return RunFolder(copied(trained, tmp_path / "run"))


def url(s3: S3) -> str:
    return f"{s3.bucket}/runs/a"


def mirrored(s3: S3, run: RunFolder, **more: Any) -> Sender:
    sender = Sender(url(s3), run, newest=10, **more)
    sender.claim()
    sender.copy()
    return sender


def files(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def puts(s3: S3) -> list[str]:
    """What was written, by its name in the mirror."""
    return [
        path.partition("/runs/a/")[2].partition("?")[0]
        for method, path, _ in s3.proxy.requests
        if method == "PUT"
    ]


def steps(s3: S3) -> set[str]:
    """Checkpoints of which anything is there."""
    return {name.split("/")[3] for name in s3.names() if "/checkpoints/" in name}


def test_order_and_the_way_back(s3: S3, run: RunFolder, tmp_path: Path) -> None:
    """The commit file last, then the index; on a fresh machine the newest and its surroundings."""
    (run.path / ".hidden").write_text("mine")
    (run.path / ".hidden-folder").mkdir()
    (run.path / ".hidden-folder" / "a.txt").write_text("mine")
    (run.checkpoints / "ckpt-2.damaged").mkdir()
    (run.checkpoints / "ckpt-3.index").write_text("of an older electra")
    s3.proxy.fail("PUT", "state", status(500, "InternalError"), 2)
    s3.proxy.fail("PUT", "metrics", status(503, "SlowDown"))
    sender = mirrored(s3, run)
    sent = puts(s3)
    first = sent.index("checkpoints/ckpt-12/commit.json")
    files_of_newest = [n for n in sent if n.startswith("checkpoints/ckpt-12/")]
    assert files_of_newest[-1] == "checkpoints/ckpt-12/commit.json"
    assert sent[first + 1] == "mirror.json"  # the newest is whole before an older one begins
    assert sent.index("config.yaml") < sent.index("checkpoints/ckpt-12/state.index") < first
    assert max(sent.index(n) for n in ("data/manifest.json", "metrics.jsonl")) < first
    names = {name.removeprefix("runs/a/") for name in s3.names()}
    mine = ("lock.json", ".hidden", "damaged", "ckpt-3")
    assert not [name for name in names if any(word in name for word in mine)]
    # Nothing new: nothing is sent. What grows is sent anew.
    s3.proxy.requests.clear()
    sender.copy()
    assert puts(s3) == []
    with run.metrics.open("a") as file:
        file.write("{}\n")
    sender.copy()
    assert puts(s3) == ["metrics.jsonl"]
    # Back, though no listing shows anything.
    s3.proxy.fail("GET", "list-type", unlisted("/"), 100)
    s3.proxy.fail("GET", "state.data", cut, 2)
    fresh = RunFolder(tmp_path / "fresh")
    restore_run(url(s3), fresh)
    assert steps_of(fresh.path) == [12]
    assert fault_of(fresh.checkpoints / "ckpt-12", 12) is None
    here, there = files(run.path), files(fresh.path)
    for name, content in there.items():
        assert content == here[name] or name in ("lock.json", "mirror.json"), name
    kept = {"config.yaml", "metrics.jsonl", "result.json", "data/manifest.json", "data/vocab.txt"}
    assert kept <= there.keys()
    # One in which a run has begun is left as it is.
    fresh.metrics.unlink()
    restore_run(url(s3), fresh)
    assert not fresh.metrics.exists()


def test_what_the_run_deletes(s3: S3, run: RunFolder, tmp_path: Path) -> None:
    """First newer ones are whole; what stays for ever and the best stay, here and elsewhere."""
    aside = tmp_path / "aside"
    shutil.move(run.checkpoints / "ckpt-12", aside)
    best = [run.checkpoints / "ckpt-0"]
    sender = Sender(url(s3), run, newest=1, every=8, best=lambda: best[0])
    sender.claim()
    sender.copy()
    assert steps(s3) == {"ckpt-0", "ckpt-4", "ckpt-8"}
    for step in (4, 8):
        shutil.rmtree(run.checkpoints / f"ckpt-{step}")
    shutil.move(aside, run.checkpoints / "ckpt-12")
    s3.proxy.fail("PUT", "ckpt-12/commit", status(500), 100)
    with pytest.raises(TryAgainError):
        sender.copy()
    assert {"ckpt-4", "ckpt-8"} <= steps(s3)
    s3.proxy.acts.clear()
    sender.copy()
    assert steps(s3) == {"ckpt-0", "ckpt-8", "ckpt-12"}
    deleted = [path for method, path, _ in s3.proxy.requests if method == "DELETE"]
    assert "commit.json" in deleted[0]
    index = read_index(STORE, url(s3))
    assert index is not None
    assert (index.newest, index.best, set(index.checkpoints)) == (12, 0, {0, 8, 12})
    # A fresh machine has the newest and the best; what it has not is not deleted for that.
    fresh = RunFolder(tmp_path / "fresh")
    restore_run(url(s3), fresh)
    assert steps_of(fresh.path) == [0, 12]
    follower = Sender(url(s3), fresh, newest=1, every=8, best=lambda: fresh.checkpoints / "ckpt-12")
    assert follower.claim() is not None
    shutil.rmtree(fresh.checkpoints / "ckpt-0")
    shutil.copytree(fresh.checkpoints / "ckpt-12", fresh.checkpoints / "ckpt-13")
    follower.copy()
    assert steps(s3) == {"ckpt-0", "ckpt-8", "ckpt-12", "ckpt-13"}  # 0 is a multiple of 8


@pytest.mark.parametrize("broken", ["ckpt-12/commit.json", "ckpt-12/state.index"])
def test_a_newest_that_is_not_whole(s3: S3, run: RunFolder, tmp_path: Path, broken: str) -> None:
    mirrored(s3, run)
    STORE.delete(f"{url(s3)}/checkpoints/{broken}")
    warnings: list[str] = []
    fresh = RunFolder(tmp_path / "fresh")
    restore_run(url(s3), fresh, on_warning=warnings.append)
    assert steps_of(fresh.path) == [8]
    assert "step 12 is not whole" in warnings[0]
    for step in (0, 4, 8):
        s3.put(f"runs/a/checkpoints/ckpt-{step}/commit.json", b"{}")
    with pytest.raises(DataError, match=r"no checkpoint in .* is whole"):
        restore_run(url(s3), RunFolder(tmp_path / "other"))
    assert not RunFolder(tmp_path / "other").is_run


def test_a_fetch_that_is_interrupted(s3: S3, run: RunFolder, tmp_path: Path) -> None:
    """It is no run until all of it is there, and the same call goes on."""
    mirrored(s3, run)
    fresh = RunFolder(tmp_path / "fresh")
    for what in ("ckpt-12/state.data", "metrics.jsonl"):
        s3.proxy.fail("GET", what, status(500), 100)
        with pytest.raises(TryAgainError):
            restore_run(url(s3), fresh)
        assert not fresh.is_run
        s3.proxy.acts.clear()
    s3.proxy.requests.clear()
    restore_run(url(s3), fresh)
    assert fresh.is_run
    assert s3.proxy.asked("GET", "state.data") == 0
    other = tmp_path / "other"
    other.mkdir()
    (other / "thesis.txt").write_text("years of work")
    with pytest.raises(OutputError, match="exists and is not a run folder"):
        restore_run(url(s3), RunFolder(other))
    assert [path.name for path in other.iterdir()] == ["thesis.txt"]
    busy = RunFolder(tmp_path / "busy")
    with locked_run(busy), pytest.raises(TryAgainError):
        restore_run(url(s3), busy)


def test_where_nothing_is_to_go_on_from(s3: S3, run: RunFolder, tmp_path: Path) -> None:
    """No mirror, and one that was begun and has no whole checkpoint: a run begins."""
    fresh = RunFolder(tmp_path / "fresh")
    restore_run(url(s3), fresh)
    for name in run.checkpoints.iterdir():
        shutil.rmtree(name)
    mirrored(s3, run)
    restore_run(url(s3), fresh)
    assert not fresh.path.exists()
    Sender(url(s3), fresh, newest=1).claim()  # and another run may have the place


def test_whose_mirror_it_is(s3: S3, run: RunFolder, trained: Path, tmp_path: Path) -> None:
    first = mirrored(s3, run)
    other = RunFolder(copied(trained, tmp_path / "other"))
    with pytest.raises(OutputError, match="is the mirror of another run") as caught:
        mirrored(s3, other)
    assert "not there yet" in caught.value.hint
    s3.put("notes/a.txt", b"mine")
    with pytest.raises(OutputError, match="holds something that is no mirror"):
        Sender(f"{s3.bucket}/notes", other, newest=1).claim()
    # The machine before was lost, or so it seemed.
    fresh = RunFolder(tmp_path / "fresh")
    restore_run(url(s3), fresh)
    second = Sender(url(s3), fresh, newest=10)
    before = second.claim()
    assert "pid" in str(before)
    second.copy()
    s3.proxy.requests.clear()
    shutil.copytree(run.checkpoints / "ckpt-12", run.checkpoints / "ckpt-16")
    with pytest.raises(DisplacedError, match="is now written by host"):
        first.copy()
    assert puts(s3) == []
    shutil.rmtree(run.checkpoints / "ckpt-16")
    # It may take it back where it knows all that the other did.
    assert Sender(url(s3), run, newest=10).claim() is not None
    shutil.rmtree(run.checkpoints / "ckpt-12")
    with pytest.raises(OutputError, match=r"is ahead of .*step 12 is whole there, 8 here"):
        Sender(url(s3), run, newest=10).claim()
    # Another course of the same run, from a step on that both have.
    shutil.copytree(fresh.checkpoints / "ckpt-12", run.checkpoints / "ckpt-12")
    there = read_commit(run.checkpoints / "ckpt-12").model_copy(update={"state_sha256": "0"})
    there = there.model_copy(update={"checksum": there.own_checksum()})
    s3.put("runs/a/checkpoints/ckpt-12/commit.json", there.model_dump_json().encode())
    s3.put("runs/a/checkpoints/ckpt-12/state.index", b"of another size")
    with pytest.raises(OutputError, match="have other weights at step 12"):
        Sender(url(s3), run, newest=10).claim()


def test_objects_that_no_index_names(s3: S3, run: RunFolder) -> None:
    """Those of a checkpoint at which a machine vanished go once newer ones are whole."""
    aside = run.checkpoints / "ckpt-12"
    hidden = aside.rename(run.path / ".aside")
    mirrored(s3, run)
    s3.put("runs/a/checkpoints/ckpt-11/state.index", b"half")
    follower = Sender(url(s3), run, newest=10)
    follower.claim()
    follower.copy()
    assert "ckpt-11" in steps(s3)
    hidden.rename(aside)
    follower.copy()
    assert steps(s3) == {"ckpt-0", "ckpt-4", "ckpt-8", "ckpt-12"}


def test_a_checkpoint_that_is_deleted_meanwhile(
    s3: S3, run: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that is being sent is held; if it goes all the same the next one is sent."""
    sender = Sender(url(s3), run, newest=10)
    sender.claim()
    held: list[Path | None] = []
    upload = Store.upload

    def vanish(self: Store, path: Path, to: str) -> None:
        held.append(sender.held)
        if "ckpt-12" in to:
            shutil.rmtree(path.parent)
        upload(self, path, to)

    monkeypatch.setattr(Store, "upload", vanish)
    sender.copy()
    assert held[0] == run.checkpoints / "ckpt-12"
    assert sender.held is None
    index = read_index(STORE, url(s3))
    assert index is not None
    assert index.newest == 8


@pytest.mark.parametrize(
    ("content", "word"),
    [(b"{", "is no JSON"), (b"[]", "is damaged"), (b'{"format_version": 9}', "newer electra")],
)
def test_a_damaged_index(s3: S3, run: RunFolder, content: bytes, word: str) -> None:
    s3.put("runs/a/mirror.json", content)
    for act in (
        Sender(url(s3), run, newest=1).claim,
        lambda: restore_run(url(s3), RunFolder(run.path / "new")),
    ):
        with pytest.raises(ElectraError) as caught:
            act()
        assert word in caught.value.message + caught.value.hint
