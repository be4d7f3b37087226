"""What `electra finetune` refuses before TensorFlow starts; nothing is written."""

from __future__ import annotations

import signal
from collections.abc import Sequence
from pathlib import Path

import pytest

from electra_cli.cli.commands import finetune as command_line
from electra_cli.finetuning import plan as planning
from electra_cli.finetuning.folder import FinetuneFolder
from tests.conftest import Electra, needs_root, read_only, small_disk
from tests.finetuning.finished import Finished
from tests.finetuning.made_data import Files, write_files
from tests.training.runs import send_on_call

TABLE = ["--task", "classification"]
BOTH = ["--train", "train.tsv", "--dev", "dev.tsv"]


@pytest.fixture(autouse=True)
def _before_tensorflow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "electra_cli.environment.prepare_tensorflow",
        lambda: pytest.fail("TensorFlow was about to start"),
    )


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Files:
    """A classification, in the working folder."""
    monkeypatch.chdir(tmp_path)
    return write_files(tmp_path, "classification")


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        ([*BOTH, "--task", "clasification"], 2, ["clasification", "classification"]),
        ([*BOTH, "--task", "sst"], 2, ["sst2"]),
        (BOTH, 2, ["neither --task nor --task-file", "cola", "--task-file FILE.yaml"]),
        ([*BOTH, *TABLE, "--task-file", "a.yaml"], 2, ["--task and --task-file"]),
        ([*BOTH, "--task-file", "unknown.yaml"], 2, ["task.txet", "unknown.yaml", "task.text"]),
        ([*BOTH, "--task-file", "gone.yaml"], 66, ["gone.yaml"]),
        ([*BOTH, "--task-file", "train.tsv"], 2, ["train.tsv"]),
        ([*BOTH, *TABLE, "--set", "task.labls=a,b"], 2, ["task.labls", "task.labels"]),
        ([*BOTH, *TABLE, "--text", "txt"], 65, ["txt", "text", "label"]),
        ([*BOTH, *TABLE, "--text", "text,other"], 65, ["other", "text"]),
        ([*BOTH, *TABLE, "--text", "a,b,c"], 2, ["task.text", "a,b,c", "--text"]),
        ([*BOTH, *TABLE, "--label", "lable"], 65, ["lable", "label"]),
        ([*BOTH, *TABLE, "--max-length", "100"], 2, ["100", "64 positions", "--max-length 64"]),
        ([*BOTH, *TABLE, "--max-length", "10"], 65, ["longer than task.max_length 10", "%"]),
        (["--train", "train.tsv", *TABLE], 2, ["no --dev", "--dev FILE"]),
        (["--dev", "dev.tsv", *TABLE], 2, ["no --train", "--train FILE"]),
        (["--data", "nowhere", "--task", "cola"], 66, ["nowhere"]),
        (["--data", "folder.tsv", "--task", "cola"], 66, ["train.tsv"]),
        (["--data", ".", *TABLE], 2, ["classification", "--train"]),
        ([*BOTH, "--data", ".", "--task", "cola"], 2, ["--data", "--train"]),
        ([*BOTH, *TABLE, "--dev", "a/x.tsv", "--dev", "b/x.tsv"], 2, ["--dev", "rename"]),
        (["--train", "gone.tsv", "--dev", "dev.tsv", *TABLE], 66, ["gone.tsv"]),
        (["--train", "train.tsv", "--dev", "more.tsv", *TABLE], 65, ["more.tsv", "maybe"]),
        (["--train", "train.tsv", "--dev", "empty.tsv", *TABLE], 65, ["empty.tsv"]),
        ([*BOTH, *TABLE, "--steps", "5"], 2, ["no checkpoint of step 5", "--steps 0,4,8,12"]),
        ([*BOTH, *TABLE, "--steps", "4;8"], 2, ["4;8", "--steps 0,1000"]),
        ([*BOTH, *TABLE, "--steps", "4", "--all"], 2, ["--all"]),
        ([*BOTH, *TABLE, "--predictions", "p.tsv"], 2, ["--predict FILE"]),
        (
            [*BOTH, *TABLE, "--predict", "dev.tsv", "--predictions", "p.csv"],
            2,
            ["p.csv", "--predictions p.tsv"],
        ),
        ([*BOTH, *TABLE, "--predict", "gone.tsv"], 66, ["gone.tsv"]),
        ([*BOTH, *TABLE, "--predict", "empty.tsv"], 65, ["empty.tsv"]),
        (
            [*BOTH, *TABLE, "--predict", "dev.tsv", "--predictions", "folder.tsv"],
            73,
            ["folder.tsv"],
        ),
        (
            [*BOTH, *TABLE, "--predict", "dev.tsv", "--predictions", "train.tsv/p.tsv"],
            73,
            ["train.tsv is no folder"],
        ),
        ([*BOTH, "--task-file", "cola"], 2, ["--task-file cola", "--task-file FILE.yaml"]),
        ([*BOTH, *TABLE, "--head", "facebook"], 2, ["task.head", "facebook", "huggingface"]),
        ([*BOTH, *TABLE, "--layer-decay", "all"], 2, ["optimizer.layer_decay", "paper"]),
        ([*BOTH, *TABLE, "--seeds", "0"], 2, ["train.seeds", "--seeds"]),
        ([*BOTH, *TABLE, "--epochs", "0"], 2, ["train.epochs", "--epochs"]),
        ([*BOTH, *TABLE, "--batch-size", "9", "--device", "cpu:2"], 2, ["9", "2 replicas"]),
        ([*BOTH, *TABLE, "--device", "multi-worker"], 2, ["--cluster tf-config"]),
        ([*BOTH, *TABLE, "--device", "cuda"], 2, ["cuda", "gpu"]),
        ([*BOTH, *TABLE, "--set", "task.metric=acuracy"], 2, ["acuracy", "task.metric=accuracy"]),
        ([*BOTH, *TABLE, "--set", "task.labels=neg,nag"], 65, ["pos"]),
        ([*BOTH, *TABLE, "--vocab", "vocab.txt"], 2, ["--vocab"]),
        ([*BOTH, "--task", "regression"], 65, ["train.tsv", "line 2"]),
        (
            [*BOTH, "--task", "regression", "--set", "task.labels=a,b"],
            2,
            ["a,b", "task.labels=0,5"],
        ),
        ([*BOTH, "--task", "regression", "--set", "task.labels=0,inf"], 2, ["task.labels", "inf"]),
        ([*BOTH, "--task", "regression", "--set", "task.labels=1,1.0"], 2, ["task.labels", "1.0"]),
        ([*BOTH, "--task", "regression", "--set", "task.labels=1,2,3"], 2, ["task.labels"]),
        ([*BOTH, "--task", "qa"], 2, ["task.max_query_length 64", "--set"]),
        ([*BOTH, "--task", "qa", "--set", "task.max_query_length=8"], 65, ["train.tsv"]),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_what_is_typed(
    electra: Electra, trained: Path, files: Files, tmp_path: Path, options: Sequence[str],
    code: int, words: Sequence[str],
) -> None:  # fmt: skip
    (tmp_path / "unknown.yaml").write_text("task:\n  txet: a\n")
    (tmp_path / "a.yaml").write_text("task:\n  kind: regression\n")
    (tmp_path / "more.tsv").write_text(files.dev.read_text() + "one more\tmaybe\n")
    (tmp_path / "empty.tsv").write_text("text\tlabel\n")
    (tmp_path / "folder.tsv").mkdir()
    length = [] if "--max-length" in options else ["--max-length", "32"]
    result = electra("finetune", trained, *options, *length, "--output", "out", "--json")
    result.failed(code, *words)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("kind", ["a thesis", "a run of pretraining", "a file"])
def test_an_output_that_holds_something_else(
    electra: Electra, trained: Path, files: Files, tmp_path: Path, kind: str
) -> None:
    out = tmp_path / "out"
    if kind == "a thesis":
        out.mkdir()
        (out / "thesis.txt").write_text("years of work")
    elif kind == "a file":
        out.write_text("years of work")
    else:
        out = trained
    electra("finetune", trained, *TABLE, *BOTH, "--output", out, "--json").failed(
        73, str(out), "was not written by electra finetune", "choose another --output"
    )


@pytest.mark.parametrize(
    "options",
    [
        ["--output"],
        ["--output", "out", "--train"],
        ["--output", "out", "--dev"],
        ["--output", "out", "--data"],
        ["--output", "out", "--task-file"],
        ["--output", "out", "--predict"],
        ["--output", "out", "--predictions"],
        ["--output", "out", "--vocab"],
        ["--output", "out", "--reference-config"],
    ],
    ids=" ".join,
)
def test_a_url(
    electra: Electra, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    result = electra("finetune", "run", "--task", "cola", *options, "s3://bucket/a", "--json")
    result.failed(2, "s3://bucket/a", "is a URL")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("source", "code", "words"),
    [
        ("nowhere", 66, "no checkpoint and no run folder"),
        ("text.txt", 65, "holds no weights"),
        ("finetuned", 65, "`electra finetune` wrote"),
        ("finetuned/step-12/seed-0", 65, "`electra finetune` wrote"),
    ],
)
def test_a_source_that_is_none(
    electra: Electra, regressed: Finished, files: Files, tmp_path: Path, source: str, code: int,
    words: str,
) -> None:  # fmt: skip
    (tmp_path / "text.txt").write_text("some text")
    (tmp_path / "finetuned").symlink_to(regressed.folder)
    result = electra("finetune", source, *TABLE, *BOTH, "--output", "out", "--json")
    result.failed(code, source, words)
    assert not (tmp_path / "out").exists()


def test_two_writers(electra: Electra, regressed: Finished) -> None:
    with FinetuneFolder(regressed.folder).locked():
        electra(*regressed.command()).failed(75, str(regressed.folder), "pid ", "started 20")


def test_a_damaged_configuration(electra: Electra, regressed: Finished, tmp_path: Path) -> None:
    folder = regressed.copied(tmp_path / "out")
    (folder / "finetune.yaml").write_text("")
    electra(*regressed.command(output=folder)).failed(65, "finetune.yaml is damaged", "backup")


def test_a_folder_that_cannot_be_written(
    electra: Electra, regressed: Finished, tmp_path: Path
) -> None:
    folder = tmp_path / "disk"
    folder.mkdir()
    with read_only(folder):
        electra(*regressed.command(output=folder / "out")).failed(73, str(folder))


@needs_root
def test_a_full_disk(electra: Electra, regressed: Finished, tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 8, inodes=2) as disk:
        electra(*regressed.command(output=disk / "out")).failed(74, "No space left", "free some")
        assert not (disk / "out").exists()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
@pytest.mark.parametrize("owner", [(planning, "read_task"), (command_line, "print_overview")])
def test_a_signal_before_the_training(
    electra: Electra, regressed: Finished, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    number: int, code: int, owner: tuple[object, str],
) -> None:  # fmt: skip
    send_on_call(monkeypatch, *owner, 1, number)
    electra(*regressed.command(output=tmp_path / "out")).failed(code)
    assert not (tmp_path / "out").exists()
