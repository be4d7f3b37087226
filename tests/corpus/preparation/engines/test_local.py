"""The processes of a pool: what they may not see, and what it means when one is lost."""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

import pytest

from electra_cli.corpus.preparation.engines import local as workers
from electra_cli.environment import shielded_children
from electra_cli.errors import TrainingError, TryAgainError
from tests.prepared import prepare

TWO = {"workers": 2, "vocab_size": 300, "sequence_length": 32, "slice_bytes": 20000}


@pytest.fixture
def shadows(tmp_path: Path) -> Path:
    """A folder with files that are named as modules which every worker needs."""
    folder = tmp_path / "here"
    (folder / "numpy").mkdir(parents=True)
    names = ("types.py", "random.py", "tokenizers.py", "numpy/__init__.py", "electra_cli.py")
    for name in names:
        (folder / name).write_text("raise SystemExit(__file__ + ' was run')")
    return folder


def test_modules_in_the_working_directory(
    corpus: Path, tmp_path: Path, shadows: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(shadows)
    assert prepare(corpus, tmp_path / "out", **TWO).counts.documents == 40
    assert "PYTHONSAFEPATH" not in os.environ


def test_a_worker_that_cannot_start(
    corpus: Path, tmp_path: Path, shadows: Path, monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    """PYTHONPATH is the user's: it is obeyed, and what comes of it is told."""
    monkeypatch.setenv("PYTHONPATH", str(shadows))
    with pytest.raises(TrainingError, match="ended by itself, with exit code 1") as caught:
        prepare(corpus, tmp_path / "out", **TWO)
    assert caught.value.exit_code == 70
    assert "types.py was run" in capfd.readouterr().err


def leave(*arguments: object, **options: object) -> NoReturn:
    os._exit(3)


def test_a_worker_that_ends_in_its_work(
    corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workers, "prepare_one", leave)
    with pytest.raises(TrainingError, match="ended by itself, with exit code 3"):
        prepare(corpus, tmp_path / "out", **TWO)


@pytest.mark.parametrize(
    ("codes", "error", "words"),
    [
        ([None, 1, -signal.SIGTERM], TrainingError, "with exit code 1"),
        ([-signal.SIGTERM, -signal.SIGSEGV], TrainingError, "by SIGSEGV"),
        ([-signal.SIGABRT, 0], TrainingError, "by SIGABRT"),
        ([-signal.SIGBUS], TrainingError, "by SIGBUS"),
        ([-signal.SIGKILL, -signal.SIGTERM], TryAgainError, "killed"),
        ([-signal.SIGTERM, 0], TryAgainError, "killed"),
        ([-signal.SIGXCPU, None], TryAgainError, "killed"),
    ],
)
def test_another_try_helps_only_against_what_came_from_outside(
    codes: list[int | None], error: type[Exception], words: str
) -> None:
    found = workers._lost(codes)
    assert type(found) is error
    assert words in found.message


@pytest.mark.parametrize("before", [None, "", "1"])
def test_the_environment_is_given_back(monkeypatch: pytest.MonkeyPatch, before: str | None) -> None:
    monkeypatch.delenv("PYTHONSAFEPATH", raising=False)
    if before is not None:
        monkeypatch.setenv("PYTHONSAFEPATH", before)
    with suppress(KeyError), shielded_children():
        assert os.environ["PYTHONSAFEPATH"] == "1"
        raise KeyError
    assert os.environ.get("PYTHONSAFEPATH") == before
