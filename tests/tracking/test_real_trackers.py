"""The trackers with their own libraries, offline: what is written is read back."""

from __future__ import annotations

import json
import sqlite3
import struct
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from electra_cli.tracking.choice import processes_of
from electra_cli.tracking.process import TrackerProcess
from electra_cli.tracking.tracker import Outcome, TrackedRun, Tracker

SECRET = "very-secret-value-7"
TEXT = "The loss spikes: 3 > 2"


@pytest.fixture(autouse=True)
def _offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in ("WANDB_MODE", "WANDB_API_KEY", "MLFLOW_TRACKING_URI", "TRACKIO_SPACE_ID"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))  # nobody is logged in there
    monkeypatch.setenv("TRACKIO_DIR", str(tmp_path / "run" / "tracking" / "trackio"))
    monkeypatch.setenv("A_SERVICES_TOKEN", SECRET)
    yield
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert files
    for path in files:
        assert SECRET.encode() not in path.read_bytes(), path


def track(tracker: Tracker, folder: Path, steps: range, outcome: Outcome, **changed: Any) -> str:
    """One start of a run; returns what the tracker says at once of where it can be seen."""
    folder.mkdir(exist_ok=True)
    report = folder / "report.html"
    report.write_text("<html>a report</html>")
    config = {"train": {"steps": 4, "note": "as it was", **changed}, "run": {"device": "cpu"}}
    said = tracker.start(TrackedRun("mine", folder / "tracking", config))
    for step in steps:
        tracker.metrics("train", step, {"total_loss": 10.0 - step})
        tracker.metrics("validation", step, {"disc_auc": step / 10})
    tracker.finding(3, "loss-spike", TEXT, begins=True)
    tracker.report(report, 3)
    tracker.end(outcome)
    return said


def twice(make: Callable[[], Tracker], folder: Path) -> str:
    """Two starts of a run, of which the second does a step again."""
    track(make(), folder, range(1, 4), "stopped")
    return track(make(), folder, range(3, 5), "finished", note="changed")


def twice_in_processes(name: str, folder: Path) -> str:
    """The same, each start in a process of its own."""
    processes: list[TrackerProcess] = []

    def make() -> TrackerProcess:
        for process in processes:
            process.wait(time.monotonic() + 600)
        processes.extend(processes_of([name]))
        return processes[-1]

    twice(make, folder)
    processes[-1].wait(time.monotonic() + 600)
    told = [process.said.get() for process in processes]
    assert [is_wrong for is_wrong, _ in told] == [False, False], told
    assert all(process.said.empty() for process in processes)
    return told[-1][1]


def records_of_wandb(path: Path) -> Iterator[Any]:
    """The records of an offline run: a log in blocks of 32 KiB as LevelDB has them."""
    from wandb.proto.wandb_internal_pb2 import Record

    data, at, record = path.read_bytes(), 7, b""
    while at < len(data):
        left = 32768 - at % 32768
        if left < 7:
            at += left
            continue
        _, size, kind = struct.unpack("<IHB", data[at : at + 7])
        record += data[at + 7 : at + 7 + size]
        at += 7 + size
        if kind in (1, 4):  # whole, or the last part
            yield Record.FromString(record)
            record = b""


def items(update: Any) -> dict[str, Any]:
    return {item.key or "/".join(item.nested_key): json.loads(item.value_json) for item in update}


@pytest.mark.slow
def test_wandb(tmp_path: Path) -> None:
    said = twice_in_processes("wandb", tmp_path / "run")
    assert said.startswith("wandb is offline (No API key configured")
    files = sorted(tmp_path.glob("run/tracking/wandb/offline-run-*/run-*.wandb"))
    assert len(files) == 2
    assert said.endswith(f"wandb sync {files[-1].parent}")
    starts = [list(records_of_wandb(file)) for file in files]
    runs = [record.run for records in starts for record in records if record.HasField("run")]
    assert len({run.run_id for run in runs}) == 1
    assert [(run.project, run.display_name) for run in runs] == [("electra", "mine")] * 2
    config = items(runs[1].config.update)
    assert config["train"] == {"steps": 4, "note": "changed"}
    points = [
        items(record.history.item)
        for records in starts
        for record in records
        if record.HasField("history")
    ]
    losses = [(row["step"], row["train/total_loss"]) for row in points if "train/total_loss" in row]
    assert losses == [(1, 9.0), (2, 8.0), (3, 7.0), (3, 7.0), (4, 6.0)]
    assert any(row.get("report/_type") == "html-file" for row in points)
    first, second = (
        record.exit.exit_code for r in starts for record in r if record.HasField("exit")
    )
    assert (first, second) == (1, 0)
    summary: Mapping[str, Any] = {}
    for record in starts[0]:
        summary = {**summary, **items(record.summary.update)}
    assert summary["finding_text/loss-spike"] == f"begins at step 3: {TEXT}"
    axes = [record.metric for record in starts[0] if record.HasField("metric")]
    assert [(axis.glob_name, axis.step_metric) for axis in axes][-1] == ("*", "step")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # what MLflow uses of SQLAlchemy
def test_mlflow(tmp_path: Path) -> None:
    from mlflow import MlflowClient

    from electra_cli.tracking.mlflow_run import MLflow

    said = twice(MLflow, tmp_path / "run")
    uri = said.removeprefix("mlflow: mlflow ui --backend-store-uri ")
    assert uri == f"sqlite:///{tmp_path}/run/tracking/mlflow/mlflow.db"
    client = MlflowClient(tracking_uri=uri)
    experiment = client.get_experiment_by_name("electra")
    (run,) = client.search_runs([experiment.experiment_id])
    assert (run.info.run_name, run.info.status) == ("mine", "FINISHED")
    params = {"train.steps": "4", "train.note": "as it was", "run.device": "cpu"}
    assert run.data.params == params
    assert run.data.tags["train.note"] == "changed"
    assert run.data.tags["finding.loss-spike"] == f"begins at step 3: {TEXT}"
    history = client.get_metric_history(run.info.run_id, "train/total_loss")
    points = {(point.step, point.value) for point in history}
    assert points == {(1, 9.0), (2, 8.0), (3, 7.0), (4, 6.0)}
    (artifact,) = client.list_artifacts(run.info.run_id)
    assert artifact.path == "report.html"


@pytest.mark.slow
def test_trackio(tmp_path: Path) -> None:
    said = twice_in_processes("trackio", tmp_path / "run")
    record = json.loads((tmp_path / "run" / "tracking" / "trackio.json").read_text())
    assert record["name"].startswith("mine-")
    assert said == f"trackio: trackio show --project electra, run {record['name']}"
    store = tmp_path / "run" / "tracking" / "trackio"
    with sqlite3.connect(store / "electra.db") as database:
        rows = database.execute(
            "SELECT run_name, step, metrics FROM metrics ORDER BY id"
        ).fetchall()
        alerts = database.execute("SELECT title, text, step FROM alerts").fetchall()
        configs = database.execute("SELECT config FROM configs").fetchall()
    database.close()
    assert {name for name, _, _ in rows} == {record["name"]}
    logged = [(step, json.loads(metrics)) for _, step, metrics in rows]
    losses = [(step, row["train/total_loss"]) for step, row in logged if "train/total_loss" in row]
    assert losses == [(1, 9.0), (2, 8.0), (3, 7.0), (3, 7.0), (4, 6.0)]
    assert [row["report"]["_type"] for _, row in logged if "report" in row] == ["trackio.html"] * 2
    assert alerts == [("loss-spike begins", TEXT, 3)] * 2
    assert len(configs) == 1
    assert json.loads(configs[0][0])["train"]["note"] == "changed"
