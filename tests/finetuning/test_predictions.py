"""Files of predictions, from what kinds of tasks say."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from electra_cli.config.finetune import Kind
from electra_cli.errors import ConfigError, OutputError
from electra_cli.finetuning.kinds.base import Predictions
from electra_cli.finetuning.predictions import check_format, path_for, write_predictions
from electra_cli.runs.run_folder import RunFolder

RECORDS = [
    {"prediction": 'a "b"', "score": 0.25},
    {"prediction": "später\tc", "score": 1.0},
]


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("classification", "predictions-test-step-7-seed-3.tsv"),
        ("regression", "predictions-test-step-7-seed-3.tsv"),
        ("tagging", "predictions-test-step-7-seed-3.jsonl"),
        ("qa", "predictions-test-step-7-seed-3.json"),
    ],
)
def test_the_usual_place(kind: Kind, name: str, tmp_path: Path) -> None:
    path = path_for(RunFolder(tmp_path / "step-7" / "seed-3"), Path("elsewhere/test.tsv.gz"), kind)
    assert path == tmp_path / name
    check_format(path, kind)
    check_format(path.with_suffix(".jsonl"), kind)
    with pytest.raises(ConfigError, match="must end in") as caught:
        check_format(path.with_suffix(".csv"), kind)
    assert caught.value.hint == f"--predictions {path}"
    with pytest.raises(OutputError, match="is a folder"):
        check_format(tmp_path, kind)


def test_tsv_is_read_back(tmp_path: Path) -> None:
    path = tmp_path / "new" / "p.tsv"
    write_predictions(path, Predictions([], RECORDS))
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    assert [{"prediction": r["prediction"], "score": float(r["score"])} for r in rows] == RECORDS
    assert [row["index"] for row in rows] == ["0", "1"]


def test_json(tmp_path: Path) -> None:
    lines, answers = tmp_path / "p.jsonl", tmp_path / "p.json"
    write_predictions(lines, Predictions([], RECORDS))
    found = [json.loads(line) for line in lines.read_text(encoding="utf-8").splitlines()]
    assert found == [{"index": n, **record} for n, record in enumerate(RECORDS)]
    assert "später" in lines.read_text(encoding="utf-8")
    records = [{"id": "z", "prediction": "x"}, {"id": "a", "prediction": ""}]
    write_predictions(answers, Predictions([], records))
    assert list(json.loads(answers.read_text()).items()) == [("z", "x"), ("a", "")]


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "p.jsonl"
    write_predictions(path, Predictions([], RECORDS))
    write_predictions(path, Predictions([], RECORDS))
    before = path.read_bytes()
    with pytest.raises(OutputError, match="with other predictions"):
        write_predictions(path, Predictions([], RECORDS[:1]))
    assert path.read_bytes() == before
