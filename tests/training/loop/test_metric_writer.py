"""What the writer of metrics hands to trackers, and what failures cost."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tensorboard.backend.event_processing.event_multiplexer import EventMultiplexer
from tensorboard.util.tensor_util import make_ndarray

from electra_cli.config.load import Override, load_config
from electra_cli.errors import StoppedError, Terminated, TrainingError
from electra_cli.runs.run_folder import RunFolder
from electra_cli.tracking import choice, process
from electra_cli.training.loop import metric_writer
from electra_cli.training.loop.metric_writer import MetricWriter
from tests.tracking.fakes import calls

FINDING = {"name": "loss-spike", "title": "It spikes", "since": 2, "evidence": "3 > 2"}
Writer = Callable[..., MetricWriter]


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Writer:
    """Makes a writer whose wandb is a fake."""

    def writer(track: str, fake: str = "Recording", **options: Any) -> MetricWriter:
        fakes = {"wandb": f"tests.tracking.fakes:{fake}"}
        monkeypatch.setattr(choice, "_CLASSES", fakes)
        given = [
            Override("runtime.track", track, "--track"),
            Override("data.path", "https://me:password@host/data", "--data"),
        ]
        config = load_config(preset="tiny", environment={}, overrides=given).config
        options = {"warn": pytest.fail, **options}
        return MetricWriter(RunFolder(tmp_path), config, name="mine", **options)

    return writer


def write_all(writer: MetricWriter, folder: Path) -> None:
    with writer:
        writer.write("start", 0, {"device": "cpu:2"})
        writer.write("train", 1, {"loss": 2.0, "spread": math.nan, "steps": 7, "on": True})
        writer.write("finding", 2, {**FINDING, "state": "begins"})
        writer.write("validation", 2, {"loss": 1.0, "spread": 1e304})
        writer.write("finding", 3, {**FINDING, "state": "ends"})
        writer.report(folder / "report.html")
        writer.write("end", 3, {"reason": "finished"})


def test_a_tracker_hears_of_all_of_it(make: Writer, tmp_path: Path) -> None:
    notes: list[str] = []
    write_all(make("wandb", note=notes.append), tmp_path)
    assert "seen elsewhere" in notes
    (_, name, config), *others = calls(tmp_path / "tracking")
    assert name == "mine"
    assert config["run"] == {"preset": "tiny", "folder": str(tmp_path), "device": "cpu:2"}
    assert config["data"]["path"] == "https://***@host/data"
    assert others == [
        ["metrics", "train", 1, {"loss": 2.0, "steps": 7}],
        ["metrics", "finding", 2, {"loss-spike": 1.0}],
        ["finding", 2, "loss-spike", "It spikes: 3 > 2", True],
        ["metrics", "validation", 2, {"loss": 1.0, "spread": 1e304}],
        ["metrics", "finding", 3, {"loss-spike": 0.0}],
        ["finding", 3, "loss-spike", "It spikes: 3 > 2", False],
        ["report", str(tmp_path / "report.html"), 3],
        ["end", "finished"],
    ]
    assert not (tmp_path / "tensorboard").exists()
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    kinds = ["start", "train", "finding", "validation", "finding", "end"]
    assert [line["kind"] for line in lines] == kinds


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (TrainingError("diverged"), "failed"),
        (ValueError(), "failed"),
        (StoppedError("SIGTERM"), "stopped"),
        (Terminated("SIGTERM"), "stopped"),
        (KeyboardInterrupt(), "stopped"),
    ],
)
def test_how_a_run_ended(error: BaseException, outcome: str, make: Writer, tmp_path: Path) -> None:
    def run() -> None:
        with make("wandb") as writer:
            writer.write("train", 1, {"loss": 2.0})
            raise error

    with pytest.raises(type(error)):
        run()
    assert calls(tmp_path / "tracking")[-1] == ["end", outcome]


def test_tensorboard(make: Writer, tmp_path: Path) -> None:
    write_all(make("tensorboard"), tmp_path)
    events = EventMultiplexer().AddRunsFromDirectory(str(tmp_path / "tensorboard")).Reload()

    def values(run: str, tag: str) -> list[tuple[int, Any]]:
        points = [(e.step, make_ndarray(e.tensor_proto)) for e in events.Tensors(run, tag)]
        return [(step, value.item()) for step, value in points]

    assert values("train", "loss") == [(1, 2.0)]
    assert values("validation", "loss") == [(2, 1.0)]
    assert values("finding", "loss-spike") == [(2, 1.0), (3, 0.0)]
    texts = values("text", "finding/loss-spike")
    assert texts == [(2, b"    begins: It spikes: 3 > 2"), (3, b"    ends: It spikes: 3 > 2")]
    ((_, configuration),) = values("text", "configuration")
    assert b"path: https://***@host/data" in configuration
    for kind in ("train", "validation"):  # NaN, and what no float32 holds
        assert "spread" not in events.Runs()[kind]["tensors"]
    assert not (tmp_path / "tracking").exists()


@pytest.mark.parametrize("fake", ["NeverStarts", "Raises", "Hangs", "Dies"])
def test_a_tracker_that_fails_costs_a_warning(
    fake: str, make: Writer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(metric_writer, "_PATIENCE", 0.0 if fake == "Hangs" else 600.0)
    warnings: list[str] = []
    write_all(make("wandb,tensorboard", fake, warn=warnings.append), tmp_path)
    assert len(warnings) == 1
    assert warnings[0].startswith("wandb: ")
    assert len((tmp_path / "metrics.jsonl").read_text().splitlines()) == 6
    assert list((tmp_path / "tensorboard" / "train").iterdir())


def test_a_run_says_at_its_end_what_it_waits_for(
    make: Writer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(metric_writer, "_PATIENCE", 0.1)
    monkeypatch.setattr(process, "_SOON", 0.0)
    notes: list[str] = []
    write_all(make("wandb", "Hangs", warn=notes.append, note=notes.append), tmp_path)
    waiting, late = (text for text in notes if text != "seen elsewhere")
    assert waiting.startswith("waiting for wandb, up to ")
    assert late.startswith("wandb: it takes too long at the end of the run; ")


@pytest.mark.parametrize(("track", "warn"), [("none", pytest.fail), ("wandb,tensorboard", None)])
def test_nobody_is_told(track: str, warn: object, make: Writer, tmp_path: Path) -> None:
    """Without trackers, and in a worker that is not the first."""
    write_all(make(track, warn=warn), tmp_path)
    written = [path.name for path in tmp_path.iterdir()]
    assert written == ([] if warn is None else ["metrics.jsonl"])
