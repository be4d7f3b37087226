"""A tracker in a process of its own: whatever it does, no method raises or waits."""

from __future__ import annotations

import io
import json
import time
from pathlib import Path

import pytest

from electra_cli.tracking import process
from electra_cli.tracking.__main__ import serve
from electra_cli.tracking.process import TrackerProcess
from electra_cli.tracking.tracker import TrackedRun
from tests.tracking.fakes import calls

FAKES = "tests.tracking.fakes:"
REST = "metrics.jsonl has what it lacks"


@pytest.fixture
def run(tmp_path: Path) -> TrackedRun:
    return TrackedRun("mine", tmp_path / "tracking", {"train": {"steps": 3}})


def said(tracker: TrackerProcess) -> list[tuple[bool, str]]:
    return [tracker.said.get() for _ in range(tracker.said.qsize())]


def track(name: str, run: TrackedRun, **options: float) -> TrackerProcess:
    """Orders all there is of a tracker, and waits for it."""
    tracker = TrackerProcess("fake", FAKES + name, **options)
    tracker.start(run)
    tracker.metrics("train", 1, {"loss": 2.0})
    tracker.metrics("train", 2, {"loss": 1.0})
    tracker.finding(2, "loss-spike", "3 > 2", begins=True)
    tracker.report(run.folder / "report.html", 2)
    tracker.end("finished")
    tracker.wait(time.monotonic() + 600)
    return tracker


@pytest.mark.parametrize(
    ("name", "told", "steps"),
    [
        ("Recording", [(False, "seen elsewhere")], [1, 2]),
        ("Signalled", [(False, "seen elsewhere")], [1, 2]),
        (
            "Raises",
            [
                (False, "seen elsewhere"),
                (True, f"fake: ConnectionError: lost at step 1, token=***; {REST}"),
            ],
            [],
        ),
    ],
)
def test_orders_arrive(
    name: str, told: list[tuple[bool, str]], steps: list[int], run: TrackedRun
) -> None:
    assert said(track(name, run)) == told
    first, *others = calls(run.folder)
    assert first == ["start", "mine", {"train": {"steps": 3}}]
    assert others == [
        *(["metrics", "train", step, {"loss": 3.0 - step}] for step in steps),
        ["finding", 2, "loss-spike", "3 > 2", True],
        ["report", str(run.folder / "report.html"), 2],
        ["end", "finished"],
    ]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("NeverStarts", f"fake: ValueError: no such server; {REST}"),
        ("Absent", "fake: AttributeError: "),
        ("Dies", "fake: its process has ended with exit code -9"),
    ],
)
def test_it_fails(name: str, words: str, run: TrackedRun) -> None:
    wrong = [text for is_wrong, text in said(track(name, run)) if is_wrong]
    assert len(wrong) == 1
    assert wrong[0].startswith(words)


@pytest.fixture
def hanging(run: TrackedRun, monkeypatch: pytest.MonkeyPatch) -> TrackerProcess:
    """One that has started, and hangs at the next order."""
    monkeypatch.setattr(process, "_MOST_WAITING", 5)
    tracker = TrackerProcess("fake", FAKES + "Hangs", silence=600)
    tracker.start(run)
    assert tracker.said.get() == (False, "seen elsewhere")
    tracker._silence = 0.01
    return tracker


def test_it_hangs(hanging: TrackerProcess) -> None:
    hanging.metrics("train", 0, {})
    assert hanging.said.get() == (True, f"fake: it has not answered for 0.01 seconds; {REST}")
    for step in range(20):
        hanging.metrics("train", step, {})
    hanging.end("stopped")
    hanging.wait(time.monotonic())
    assert said(hanging) == [(True, f"fake: 5 messages wait for it; more are lost; {REST}")]


def test_it_hangs_at_the_end(hanging: TrackerProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "_SOON", 0.0)
    notes: list[str] = []

    def note(text: str) -> None:
        notes.append(text)
        hanging.end("finished")

    hanging.wait(time.monotonic() + 0.1, note)
    assert notes == ["waiting for fake, up to 0 s"]
    assert said(hanging) == [(True, f"fake: it takes too long at the end of the run; {REST}")]


def test_a_python_that_is_not_there(run: TrackedRun, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.executable", "/nowhere/python")
    ((wrong, text),) = said(track("Recording", run))
    assert wrong
    assert "cannot be started: No such file or directory" in text


def test_a_run_that_was_killed_is_closed(run: TrackedRun) -> None:
    answers = io.StringIO()
    serve(FAKES + "Recording", [json.dumps(["start", {"run": run.as_json()}])], answers)
    assert answers.getvalue() == '["seen elsewhere", ""]\n'
    assert calls(run.folder)[-1] == ["end", "killed"]
