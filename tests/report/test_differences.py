"""The keys in which runs differ."""

from __future__ import annotations

from pathlib import Path

from electra_cli.report.differences import differences
from electra_cli.report.record import read_records
from tests.report.made_run import made_run


def test_only_keys_that_differ_with_the_values_of_all(tmp_path: Path) -> None:
    settings = (["train.seed=1", "runtime.xla=true"], ["train.seed=2"], ["train.seed=2"])
    runs = [made_run(tmp_path / str(n), settings=each) for n, each in enumerate(settings)]
    assert differences(read_records(runs)) == [
        ("train.seed", ["1", "2", "2"]),
        ("runtime.xla", ["true", "null", "null"]),
    ]
    assert differences(read_records(runs[1:])) == []
    assert differences(read_records(runs[:1])) == []


def test_runs_of_different_objectives(tmp_path: Path) -> None:
    runs = [
        made_run(tmp_path / name, settings=[f"objective.name={name}"])
        for name in ("electra", "mlm")
    ]
    assert differences(read_records(runs)) == [("objective.name", ["electra", "mlm"])]
