"""What is damaged or left over in a mirror, or half restored here, mends itself or is told."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from electra_cli.errors import DataError, ElectraError, OutputError, TryAgainError
from electra_cli.files.remote.store import Store
from electra_cli.runs.commit import fault_of
from electra_cli.runs.lock import check_free
from electra_cli.runs.mirror.index import read_index
from electra_cli.runs.mirror.restoring import restore_run
from electra_cli.runs.mirror.sending import Sender
from electra_cli.runs.run_folder import RunFolder
from tests.runs.mirror.test_mirror import STORE, files, mirrored, puts, run, steps, url
from tests.s3 import S3, Answer, status, unlisted
from tests.training.runs import copied, steps_of

__all__ = ["run"]  # a fixture

NEWEST = "runs/a/checkpoints/ckpt-12"


def whole(s3: S3) -> list[int]:
    """What the index names."""
    index = read_index(STORE, url(s3))
    assert index is not None
    return sorted(index.checkpoints)


def damage(s3: S3, name: str, content: bytes | None) -> None:
    if content is None:
        STORE.delete(f"{s3.bucket}/{NEWEST}/{name}")
    else:
        s3.put(f"{NEWEST}/{name}", content)


DAMAGE = [
    ("state.index", None),
    ("state.index", b"short"),
    ("commit.json", b"{}"),
    ("commit.json", None),
]


@pytest.mark.parametrize(("name", "content"), DAMAGE)
def test_what_is_not_whole_there_is_sent_again(
    s3: S3, run: RunFolder, tmp_path: Path, name: str, content: bytes | None
) -> None:
    """By the run that has it, and by one that was restored without it and comes to that step."""
    mirrored(s3, run)
    damage(s3, name, content)
    s3.proxy.requests.clear()
    sender = mirrored(s3, run)
    assert sender.broken == [12]
    assert {n.split("/")[1] for n in puts(s3) if n.startswith("checkpoints/")} == {"ckpt-12"}
    fresh = RunFolder(tmp_path / "fresh")
    restore_run(url(s3), fresh)
    assert steps_of(fresh.path) == [12]
    assert mirrored(s3, run).broken == []
    # A machine that has not seen that step.
    damage(s3, name, content)
    behind = RunFolder(tmp_path / "behind")
    restore_run(url(s3), behind)
    assert steps_of(behind.path) == [8]
    mirrored(s3, behind)
    assert whole(s3) == [0, 4, 8]
    shutil.copytree(run.checkpoints / "ckpt-12", behind.checkpoints / "ckpt-12")
    mirrored(s3, behind)
    assert whole(s3) == [0, 4, 8, 12]
    for path in (run.checkpoints / "ckpt-12").iterdir():
        assert STORE.read(f"{s3.bucket}/{NEWEST}/{path.name}") == path.read_bytes()


def test_other_bytes_of_the_same_size(s3: S3, run: RunFolder, tmp_path: Path) -> None:
    """A fresh machine finds them, and the run that it makes goes on and mends them."""
    mirrored(s3, run)
    size = (run.checkpoints / "ckpt-12" / "state.index").stat().st_size
    damage(s3, "state.index", bytes(size))
    fresh = RunFolder(tmp_path / "fresh")
    restore_run(url(s3), fresh)
    assert steps_of(fresh.path) == [8]
    assert whole(s3) == [0, 4, 8]
    mirrored(s3, fresh)
    # A commit file of a newer electra is no damage: nothing older is taken, nothing loses its name.
    commit = json.loads((run.checkpoints / "ckpt-8" / "commit.json").read_text())
    s3.put(
        "runs/a/checkpoints/ckpt-8/commit.json", json.dumps(commit | {"format_version": 9}).encode()
    )
    with pytest.raises(DataError, match="format version 9"):
        restore_run(url(s3), RunFolder(tmp_path / "newer"))
    assert whole(s3) == [0, 4, 8]


def test_what_is_only_not_seen_yet_is_whole(s3: S3, run: RunFolder, tmp_path: Path) -> None:
    mirrored(s3, run)
    s3.proxy.fail("GET", "list-type", unlisted("state.index"), 100)
    s3.proxy.fail("HEAD", "ckpt-12/state", status(404), 2)
    s3.proxy.requests.clear()
    assert mirrored(s3, run).broken == []
    assert not [name for name in puts(s3) if name.startswith("checkpoints/")]
    fresh = RunFolder(tmp_path / "fresh")
    for method in ("GET", "HEAD"):
        s3.proxy.fail(method, "ckpt-12/", status(404, "NoSuchKey"), 2)
    restore_run(url(s3), fresh)
    assert steps_of(fresh.path) == [12]


def test_what_its_writer_replaces_meanwhile(s3: S3, run: RunFolder, tmp_path: Path) -> None:
    """One that was taken for lost, and still writes while a fresh machine reads."""
    mirrored(s3, run)
    for name in ("mirror.json", "metrics.jsonl"):
        content = STORE.read(f"{url(s3)}/{name}") + b"\n"

        def replace(answer: Answer, name: str = name, content: bytes = content) -> Answer:
            s3.put(f"runs/a/{name}", content)
            return answer

        s3.proxy.fail("GET", name, replace)
    fresh = RunFolder(tmp_path / "fresh")
    restore_run(url(s3), fresh)
    assert fresh.metrics.read_bytes() == run.metrics.read_bytes() + b"\n"
    assert not [act for act in s3.proxy.acts if act[3]]  # all of them happened


def test_half_a_copy_of_another_run(s3: S3, run: RunFolder, trained: Path, tmp_path: Path) -> None:
    """It goes on with its own mirror alone; no other run begins in it."""
    mirrored(s3, run)
    other = RunFolder(copied(trained, tmp_path / "other"))
    elsewhere = Sender(f"{s3.bucket}/runs/b", other, newest=10)
    elsewhere.claim()
    elsewhere.copy()
    mix = RunFolder(tmp_path / "mix")
    for broken in ("ckpt-12/state.data", "config.yaml"):
        s3.proxy.fail("GET", broken, status(500), 100)
        with pytest.raises(TryAgainError):
            restore_run(url(s3), mix)
        s3.proxy.acts.clear()
        before = files(mix.path)
        for begin in (lambda: restore_run(f"{s3.bucket}/runs/b", mix), lambda: check_free(mix)):
            with pytest.raises(OutputError, match="half a copy of a run") as caught:
                begin()
            assert "--mirror" in caught.value.hint
        assert files(mix.path) == before
    restore_run(url(s3), mix)
    assert mix.is_run
    # What was fetched before of other bytes is fetched anew.
    again = RunFolder(tmp_path / "again")
    s3.proxy.fail("GET", "ckpt-12/state.data", status(500), 100)
    with pytest.raises(TryAgainError):
        restore_run(url(s3), again)
    s3.proxy.acts.clear()
    half = again.checkpoints / ".ckpt-12.fetched"
    size = (run.checkpoints / "ckpt-12" / "state.index").stat().st_size
    (half / "state.index").write_bytes(bytes(size))
    restore_run(url(s3), again)
    assert fault_of(again.checkpoints / "ckpt-12", 12) is None


def test_a_best_one_that_is_on_its_way(s3: S3, run: RunFolder, tmp_path: Path) -> None:
    """It is not the best one of the mirror before it is whole there."""
    sender = Sender(url(s3), run, newest=10, best=lambda: run.checkpoints / "ckpt-0")
    sender.claim()
    s3.proxy.fail("PUT", "ckpt-0/commit", status(500), 100)
    with pytest.raises(TryAgainError):
        sender.copy()
    s3.proxy.acts.clear()
    warnings: list[str] = []
    fresh = RunFolder(tmp_path / "fresh")
    restore_run(url(s3), fresh, on_warning=warnings.append)
    assert (steps_of(fresh.path), warnings) == ([12], [])
    sender.copy()
    index = read_index(STORE, url(s3))
    assert index is not None
    assert index.best == 0


def test_an_index_that_leads_elsewhere(s3: S3, run: RunFolder, tmp_path: Path) -> None:
    """Only names of files in the run folder are followed, and none of checkpoints."""
    mirrored(s3, run)
    index = read_index(STORE, url(s3))
    assert index is not None
    names = ["../stolen.txt", ".stolen", "checkpoints/ckpt-99/commit.json", f"{tmp_path}/stolen"]
    for name in names:
        s3.put(f"runs/a/{name}", b"not yours")
    index.model_copy(update={"files": [*index.files, *names]}).write(STORE, url(s3))
    before = {path for path in tmp_path.rglob("*") if "stolen" in path.name}
    fresh = RunFolder(tmp_path / "fresh")
    restore_run(url(s3), fresh)
    assert steps_of(fresh.path) == [12]
    assert {path for path in tmp_path.rglob("*") if "stolen" in path.name} == before == set()


def test_temporary_files_of_a_checkpoint(
    s3: S3, run: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They stay here, and one that gets its name meanwhile is sent by that."""
    temporary = run.checkpoints / "ckpt-12" / ".evaluation.json.77b37022.tmp"
    temporary.write_text("{}")
    upload = Store.upload

    def renamed(self: Store, path: Path, to: str) -> None:
        if temporary.exists():
            temporary.rename(temporary.with_name("evaluation.json"))
        upload(self, path, to)

    monkeypatch.setattr(Store, "upload", renamed)
    sender = mirrored(s3, run)
    sender.copy()
    assert {name.removeprefix(f"{NEWEST}/") for name in s3.names() if NEWEST in name} == {
        path.name for path in temporary.parent.iterdir()
    }
    index = read_index(STORE, url(s3))
    assert index is not None
    assert not [name for names in index.checkpoints.values() for name in names if name[0] == "."]


def test_a_writer_that_vanished_while_it_deleted(s3: S3, run: RunFolder) -> None:
    """The next one deletes the rest though it has nothing new to send."""
    sender = Sender(url(s3), run, newest=2)
    sender.claim()
    sender.copy()
    for step in (0, 4):
        shutil.rmtree(run.checkpoints / f"ckpt-{step}")
    s3.proxy.fail("DELETE", "ckpt-4/state", status(403, "AccessDenied"), 100)
    with pytest.raises(ElectraError):
        sender.copy()
    s3.proxy.acts.clear()
    assert steps(s3) == {"ckpt-4", "ckpt-8", "ckpt-12"}
    follower = Sender(url(s3), run, newest=2)
    follower.claim()
    follower.copy()
    assert steps(s3) == {"ckpt-8", "ckpt-12"}
