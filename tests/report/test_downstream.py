"""Scores of fine-tunings: which are found, whose they are, and damaged ones."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from electra_cli.errors import DataError
from electra_cli.report.downstream import Downstream, read_downstream, run_of
from electra_cli.report.record import read_record, read_records
from tests.report.made_run import made_run

RESULT = {
    "task": "topic",
    "metric": "accuracy",
    "majority": 0.5,
    "verdict": ["The best is 12."],
    "columns": [
        {"label": "12", "role": "model", "pretraining_steps": 12, "mean": 0.9,
         "standard_deviation": None, "runs": [{}], "failed_seeds": []},
    ],
}  # fmt: skip


def made_finetuning(
    folder: Path, source: Path | str, *, sha256: str = "a", result: Any = RESULT
) -> Path:
    folder.mkdir(parents=True)
    (folder / "finetune.yaml").write_text("task: {}\n")
    inputs = {
        "source": str(source),
        "source_sha256": {"model": sha256},
        "files": {},
        "labels": [],
        "tokenizer": {"lowercase": True, "strip_accents": True},
        "vocab_sha256": "v",
        "special_ids": {"pad": 0, "unk": 1, "cls": 2, "sep": 3, "mask": 4},
    }
    (folder / "inputs.json").write_text(json.dumps(inputs))
    if result is not None:
        (folder / "result.json").write_text(json.dumps(result))
    return folder


def places(found: list[Downstream]) -> list[tuple[str, str | None]]:
    return [(Path(each.place).name, each.run) for each in found]


def test_what_lies_in_a_run_and_beside_it_is_found_by_its_source(tmp_path: Path) -> None:
    run = made_run(tmp_path / "run", result={"state_sha256": "b"})
    made_finetuning(run.path / "inside", run.path)
    made_finetuning(tmp_path / "beside", run.checkpoints / "ckpt-12")
    made_finetuning(tmp_path / "copied", "gone/run", sha256="b")
    made_finetuning(tmp_path / "of another", "gone/run", sha256="c")
    made_finetuning(tmp_path / "deeper" / "one", run.path)
    found, remarks = read_downstream([], [read_record(run)])
    assert places(found) == [("inside", "run"), ("beside", "run"), ("copied", "run")]
    assert remarks == []
    [column] = found[0].columns
    assert (column.label, column.steps, column.mean, column.seeds) == ("12", 12, 0.9, 1)


def test_what_is_named_comes_first_and_once(tmp_path: Path) -> None:
    run = made_run(tmp_path / "run")
    made_finetuning(tmp_path / "a", run.path)
    other = made_finetuning(tmp_path / "b", "gone")
    given = [other, other / "model" / "seed-0", tmp_path / "run" / ".." / "b"]
    found, _ = read_downstream(given, [read_record(run)])
    assert places(found) == [("b", None), ("a", "run")]


def test_of_two_runs_each_has_its_own(tmp_path: Path) -> None:
    runs = [made_run(tmp_path / name) for name in ("one", "two")]
    for run in runs:
        made_finetuning(tmp_path / f"of-{run.path.name}", run.path)
    found, _ = read_downstream([], read_records(runs))
    assert places(found) == [("of-one", "one"), ("of-two", "two")]


@pytest.mark.parametrize(
    ("result", "words"),
    [
        (None, "is not finished"),
        ({}, "is damaged: KeyError"),
        (RESULT | {"columns": [{}]}, "is damaged: KeyError"),
        (RESULT | {"columns": "x"}, "is damaged"),
        (RESULT | {"majority": "much"}, "is damaged: majority"),
        ([], "is no JSON object"),
    ],
)
def test_damaged_ones(tmp_path: Path, result: Any, words: str) -> None:
    run = made_run(tmp_path / "run")
    folder = made_finetuning(tmp_path / "a", run.path, result=result)
    with pytest.raises(DataError, match=words):
        read_downstream([folder], [read_record(run)])
    found, remarks = read_downstream([], [read_record(run)])  # one that nobody has named
    assert found == []
    assert len(remarks) == 1
    assert words in remarks[0]


def test_the_run_of_a_fine_tuning(tmp_path: Path) -> None:
    run = made_run(tmp_path / "run")
    (run.checkpoints / "ckpt-12").mkdir(parents=True)
    folder = made_finetuning(tmp_path / "a", run.path)
    assert run_of(folder) == run
    assert run_of(folder / "model" / "seed-0") == run
    assert run_of(made_finetuning(tmp_path / "b", "google/electra")) is None
