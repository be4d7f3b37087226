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
                (
                    True,
                    "fake: ConnectionError: lost at step 1, token=***; training goes on without it",
                ),
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
        ("NeverStarts", "fake: ValueError: no such server; training goes on without it"),
        ("Absent", "fake: AttributeError: "),
        ("Dies", "fake: its process has ended with exit code -9"),
    ],
)
def test_it_fails(name: str, words: str, run: TrackedRun) -> None:
    wrong = [text for is_wrong, text in said(track(name, run)) if is_wrong]
    assert len(wrong) == 1
    assert wrong[0].startswith(words)


def test_it_hangs(run: TrackedRun, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "_MOST_WAITING", 5)
    tracker = TrackerProcess("fake", FAKES + "Hangs", silence=0.01)
    tracker.start(run)
    texts = [text for _, text in iter(tracker.said.get, (False, "seen elsewhere"))]
    for step in range(20):
        tracker.metrics("train", step, {})
    tracker.end("stopped")
    tracker.wait(time.monotonic())
    texts += [text for _, text in said(tracker)]
    for words in ("has not answered for 0.01 seconds", "5 messages wait", "takes too long"):
        assert sum(words in text for text in texts) == 1, (words, texts)


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
