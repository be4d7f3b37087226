"""`electra debug task`: labelled data as a fine-tuning sees it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import Electra
from tests.finetuning.finished import Finished

KEYS = {"command", "kind", "labels", "data", "warnings", "examples"}


def debug(finished: Finished, *more: object) -> list[str]:
    """The command line, without what only a training knows."""
    kind = finished.result["kind"]
    of_kind = ["--set", "task.max_query_length=8"] if kind == "qa" else []
    files = ["--train", finished.files.train, "--dev", finished.files.dev]
    parts = ["debug", "task", finished.source, "--task", kind, *files, "--max-length", 32]
    return [str(part) for part in [*parts, *of_kind, "--json", *more]]


@pytest.fixture(autouse=True)
def _without_tensorflow(monkeypatch: pytest.MonkeyPatch, finished: Finished) -> None:
    del finished  # it needs TensorFlow
    monkeypatch.setattr(
        "electra_cli.environment.prepare_tensorflow",
        lambda: pytest.fail("TensorFlow was about to start"),
    )


def test_what_is_learned_of_rows(electra: Electra, finished: Finished) -> None:
    """Pieces without padding, and the label that the file says."""
    result = electra(*debug(finished, "--examples", 4))
    assert result.code == 0, result.stderr
    assert set(result.json) == KEYS
    kind, found = finished.result["kind"], result.json["examples"]
    assert [one["row"] for one in found] == [0, 1, 2, 3]
    assert result.json["labels"] == finished.result["labels"]
    assert [split["examples"] for split in result.json["data"]["splits"]] == [40, 21]
    lines = finished.files.train.read_text().splitlines()
    for one in found:
        assert one["text"].startswith("[CLS] ")
        assert one["text"].endswith(" [SEP]")
        assert "[PAD]" not in one["text"]
    first = found[0]
    if kind == "classification":
        assert [one["label"] for one in found] == ["neg", "pos", "neg", "pos"]
        assert first["text"] == f"[CLS] {lines[1].split(chr(9))[0]} [SEP]"
    elif kind == "regression":
        expected = [f"{share} of 0 … 1" for share in ("0", "0.333333", "0.666667", "1")]
        assert [one["label"] for one in found] == expected
    elif kind == "tagging":
        sentence = [line.split() for line in lines[: lines.index("")]]
        tags = [part.rpartition("/")[2] for part in first["label"].split()]
        assert tags == [tag for _, tag in sentence]
    else:
        assert "who is it [SEP]" in first["text"]
        labels = {one["label"] for one in found}
        assert labels <= {"no answer in this window", "answer: anna", "answer: paul",
                          "answer: rome"}  # fmt: skip
        assert len(labels) > 1


def test_no_examples(electra: Electra, finished: Finished) -> None:
    assert electra(*debug(finished, "--examples", 0)).json["examples"] == []


def test_refusals(electra: Electra, finished: Finished, tmp_path: Path) -> None:
    electra(*debug(finished, "--train", tmp_path / "gone.tsv")).failed(66, "gone.tsv")
    electra(*debug(finished, "--task", "sqaud")).failed(2, "sqaud", "squad")
    electra(*debug(finished, "--max-length", 65)).failed(2, "64 positions", "--max-length 64")
