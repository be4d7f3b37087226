"""A finished fine-tuning of each kind, which many tests look at: all of the run `trained`."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from electra_cli.cli.app import run
from electra_cli.config.finetune import Kind
from tests.finetuning.made_data import Files, write_files

# A rate at which a few steps tell runs apart, and no auto that another machine decides otherwise.
RECIPE = (
    *("--max-length", 32, "--batch-size", 8, "--learning-rate", 3e-3, "--layer-decay", "none"),
    *("--device", "cpu", "--precision", "float32"),
    *("--set", "train.checkpoint_every=4", "--set", "train.log_every=5"),
)
QUESTIONS = ("--set", "task.max_query_length=8", "--set", "task.doc_stride=8")


@dataclass(frozen=True)
class Finished:
    """A fine-tuning that has ended.

    Attributes:
      folder: What it wrote.
      source: What was fine-tuned.
      files: Its data.
      options: All else that was typed, but --output and --json.
    """

    folder: Path
    source: Path
    files: Files
    options: tuple[str, ...]

    def command(self, *more: object, output: Path | None = None) -> list[str]:
        """The same command line without --predict, with more options."""
        parts = (
            *("finetune", self.source, "--train", self.files.train, "--dev", self.files.dev),
            *("--output", output or self.folder, "--json", *self.options, *more),
        )
        return [str(part) for part in parts]

    @property
    def result(self) -> dict[str, Any]:
        """The object that it printed."""
        return json.loads((self.folder / "result.json").read_text())

    def copied(self, to: Path) -> Path:
        """A copy that a test may change."""
        return Path(shutil.copytree(self.folder, to))


def finetune(source: Path, folder: Path, kind: Kind, *more: object) -> Finished:
    """Fine-tunes on made data, beside which it writes."""
    files = write_files(folder / "data", kind)
    of_kind = QUESTIONS if kind == "qa" else ()
    options = tuple(str(part) for part in ("--task", kind, *RECIPE, *of_kind, *more))
    done = Finished(folder / "out", source, files, options)
    assert run([*done.command("--predict", files.unlabelled), "--quiet"]) == 0
    return done


@pytest.fixture(scope="session")
def classified(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """Two seeds of the run, of a frozen encoder and of random weights."""
    more = ("--seeds", 2, "--random", "--probe")
    return finetune(trained, tmp_path_factory.mktemp("classified"), "classification", *more)


@pytest.fixture(scope="session")
def regressed(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Finished:
    return finetune(trained, tmp_path_factory.mktemp("regressed"), "regression")


@pytest.fixture(scope="session")
def tagged(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Finished:
    return finetune(trained, tmp_path_factory.mktemp("tagged"), "tagging")


@pytest.fixture(scope="session")
def answered(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """Questions, some without an answer, and one window or several of their contexts."""
    return finetune(trained, tmp_path_factory.mktemp("answered"), "qa")


@pytest.fixture(scope="session", params=["classification", "regression", "tagging", "qa"])
def finished(request: pytest.FixtureRequest) -> Finished:
    """One of each kind."""
    names = {"classification": "classified", "regression": "regressed", "tagging": "tagged"}
    return request.getfixturevalue(names.get(request.param, "answered"))


@pytest.fixture
def trains_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lets a training fail: all runs are finished."""
    monkeypatch.setattr(
        "electra_cli.finetuning.run.train_run", lambda *args, **kwargs: pytest.fail("it trains")
    )
