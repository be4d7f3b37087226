"""A mirror without some object: a run ends only for want of what it cannot go on without."""

from __future__ import annotations

from pathlib import Path

import pytest

from electra_cli.errors import DataError, InputMissingError, OutputError
from electra_cli.runs.mirror.index import NEEDED, Index, read_index
from electra_cli.runs.mirror.restoring import restore_run
from electra_cli.runs.mirror.sending import Sender
from electra_cli.runs.run_folder import RunFolder
from tests.runs.mirror.test_mirror import STORE, mirrored, puts, run, url
from tests.s3 import S3, status
from tests.training.runs import steps_of

__all__ = ["run"]  # a fixture


def index_of(s3: S3) -> Index:
    index = read_index(STORE, url(s3))
    assert index is not None
    return index


def restored(s3: S3, folder: Path) -> tuple[RunFolder, list[str]]:
    """A run folder made of the mirror, and what was said of it."""
    warnings: list[str] = []
    fresh = RunFolder(folder)
    restore_run(url(s3), fresh, on_warning=warnings.append)
    return fresh, warnings


def evaluate(run: RunFolder, *steps: int) -> None:
    for step in steps:
        (run.checkpoints / f"ckpt-{step}" / "evaluation.json").write_text("{}")


def test_records_are_told_by_name(s3: S3, run: RunFolder, tmp_path: Path) -> None:
    """Each once, and the run that goes on has its own of them."""
    evaluate(run, 8, 12)
    (run.path / "notes").mkdir()
    (run.path / "notes" / "mine.txt").write_text("mine")
    mirrored(s3, run, best=lambda: run.checkpoints / "ckpt-8")
    before = index_of(s3)
    records = set(before.files) - set(NEEDED)
    written = ["metrics.jsonl", "result.json", "report.html", "data/vocab.txt", "notes/mine.txt"]
    assert records >= set(written)
    records |= {f"checkpoints/ckpt-{step}/evaluation.json" for step in (8, 12)}
    for name in records:
        STORE.delete(f"{url(s3)}/{name}")
    fresh, (warning,) = restored(s3, tmp_path / "fresh")
    assert set(
        warning.removesuffix(": the run goes on without").split(" lacks ")[1].split(", ")
    ) == (records)
    assert fresh.is_run
    assert steps_of(fresh.path) == [8, 12]
    assert set(index_of(s3).files) == set(before.files) & set(NEEDED)
    assert restored(s3, tmp_path / "again")[1][0].count("evaluation.json") == 2
    fresh.metrics.write_text("{}\n")
    mirrored(s3, fresh)
    assert "metrics.jsonl" in index_of(s3).files


def test_records_that_are_only_not_seen_yet(s3: S3, run: RunFolder, tmp_path: Path) -> None:
    """They are waited for, and so is the evaluation that makes a checkpoint the best."""
    evaluate(run, 8)
    mirrored(s3, run, best=lambda: run.checkpoints / "ckpt-8")
    for name in ("metrics.jsonl", "ckpt-8/evaluation.json"):
        for method in ("GET", "HEAD"):
            s3.proxy.fail(method, name, status(404, "NoSuchKey"), 2)
    fresh, warnings = restored(s3, tmp_path / "fresh")
    assert warnings == []
    assert fresh.metrics.read_bytes() == run.metrics.read_bytes()
    assert (fresh.checkpoints / "ckpt-8" / "evaluation.json").is_file()


def test_records_that_nobody_may_read(s3: S3, run: RunFolder, tmp_path: Path) -> None:
    """They are not missing: the run that went on without would write others in their place."""
    mirrored(s3, run)
    for method in ("GET", "HEAD"):
        s3.proxy.fail(method, "metrics.jsonl", status(403, "AccessDenied"), 100)
    with pytest.raises(InputMissingError, match=r"metrics\.jsonl was refused"):
        restored(s3, tmp_path / "fresh")
    assert not RunFolder(tmp_path / "fresh").is_run
    assert "metrics.jsonl" in index_of(s3).files


@pytest.mark.parametrize("name", NEEDED)
def test_what_no_run_goes_on_without(s3: S3, run: RunFolder, tmp_path: Path, name: str) -> None:
    """It ends with its name, and once it is there again the same call goes on."""
    for needed in NEEDED:
        if not (run.path / needed).is_file():
            (run.path / needed).write_text("")
    mirrored(s3, run)
    STORE.delete(f"{url(s3)}/{name}")
    with pytest.raises(DataError, match=f"lacks {name}, and the run cannot") as caught:
        restored(s3, tmp_path / "fresh")
    assert name in caught.value.hint
    assert not RunFolder(tmp_path / "fresh").is_run
    s3.put(f"runs/a/{name}", run.path / name)
    fresh, warnings = restored(s3, tmp_path / "fresh")
    assert warnings == []
    for needed in NEEDED:
        assert (fresh.path / needed).read_bytes() == (run.path / needed).read_bytes()


def test_a_record_that_cannot_be_sent(
    s3: S3, run: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All else is sent before it is told; what no run goes on without is never left out."""
    monkeypatch.setattr("electra_cli.runs.mirror.sending._LARGE", 100)  # both ways to send a file
    sender = Sender(url(s3), run, newest=10)
    sender.claim()
    s3.proxy.fail("PUT", "held-out.json", status(403, "AccessDenied"), 100)
    with pytest.raises(OutputError, match=r"held-out\.json was refused"):
        sender.copy()
    assert index_of(s3).newest == 12
    names = {path.relative_to(run.path).as_posix() for path in run.path.rglob("*")}
    left = {"held-out.json", "lock.json", "mirror.json"}
    assert set(index_of(s3).files) == {n for n in names - left if "checkpoints" not in n} - {
        name for name in names if (run.path / name).is_dir()
    }
    s3.proxy.acts.clear()
    sender.copy()
    assert "held-out.json" in index_of(s3).files
    s3.proxy.fail("PUT", "held-out.json", status(403, "AccessDenied"), 100)
    with pytest.raises(OutputError):
        mirrored(s3, run)
    s3.proxy.acts.clear()
    assert "held-out.json" in index_of(s3).files  # as it was
    sender = mirrored(s3, run)
    for needed in ("config.yaml", "data/manifest.json"):
        s3.put(f"runs/a/{needed}", b"another")
        (run.path / needed).touch()
        s3.proxy.fail("PUT", needed, status(403, "AccessDenied"), 100)
        (run.checkpoints / "ckpt-12").rename(run.checkpoints / "ckpt-16")
        s3.proxy.requests.clear()
        with pytest.raises(OutputError, match=f"{needed} was refused"):
            sender.copy()
        assert not [name for name in puts(s3) if "checkpoints" in name]
        (run.checkpoints / "ckpt-16").rename(run.checkpoints / "ckpt-12")
        s3.proxy.acts.clear()
