"""What the monitor keeps: a run that was killed and went on says what one that did not says."""

from __future__ import annotations

import json
from typing import Any

import pytest

from electra_cli.health.monitor import Monitor, findings_of, without_repeats
from tests.health.histories import TINY, Line, history
from tests.health.test_rules import SICK

# A process has a speed of its own.
SICK_LEARNING = {name: sick for name, sick in SICK.items() if name != "throughput-fell"}


def interrupted(*, facts: Any, log_every: int, starts: bool, **curves: Any) -> list[Line]:
    """The lines of three processes; each goes on from before where the one before it was killed."""
    lines: list[Line] = []
    for begin, end in ((0, 677), (600, 1234), (1200, 1500)):
        stop = min(end, curves.get("stop") or end)
        own = dict(curves, stop=stop, start=begin)
        lines += history(facts=facts, log_every=log_every, **own)
    return [line for line in lines if starts or line["kind"] != "start"]


@pytest.mark.parametrize("starts", [True, False])
@pytest.mark.parametrize("name", SICK_LEARNING)
def test_a_run_that_was_killed(name: str, starts: bool) -> None:
    """Also one whose lines do not say where processes begin, as those of an older electra."""
    facts, curves = SICK[name]
    straight = [
        line for line in history(facts=facts, **curves) if starts or line["kind"] != "start"
    ]
    lines = interrupted(facts=facts, log_every=10, starts=starts, **curves)
    assert findings_of(lines, facts) == findings_of(straight, facts)


@pytest.mark.parametrize("name", SICK_LEARNING)
def test_a_process_that_goes_on(name: str) -> None:
    """It reads what there is up to its first step, and sees the rest as it is written."""
    facts, curves = SICK[name]
    lines = list(history(facts=facts, **curves))
    for step in (0, 310, 900, 1010):
        monitor = Monitor(facts)
        for line in lines:
            if line["step"] <= step:
                monitor.see(json.loads(json.dumps(line)))
        monitor.see({"kind": "start", "step": step})
        for line in lines:
            if line["step"] > step:
                monitor.see(line)
        assert monitor.findings == findings_of(lines, facts)


def test_lines_that_were_written_twice() -> None:
    def line(kind: str, step: int, which: int) -> Line:
        return {"kind": kind, "step": step, "which": which}

    first = [line("start", 0, 1), line("train", 10, 1), line("validation", 10, 1)]
    lost = [line("train", 20, 1), line("finding", 20, 1), line("validation", 20, 1)]
    second = [line("start", 10, 2), line("train", 20, 2), line("validation", 20, 2)]
    assert without_repeats([*first, *lost, *second]) == [*first, *second]
    assert without_repeats([*first, *lost, *second[1:]]) == [*first, *second[1:]]
    assert without_repeats([*first, *second]) == [*first, *second]


@pytest.mark.parametrize("odd", [1e308, -1e308, 1e-320, float("nan"), True, "1"])
def test_numbers_that_no_run_can_have(odd: Any) -> None:
    """They count as none; what is nearly 0 counts as 0, which a rate of replaced tokens is not."""
    lines = list(history(facts=TINY))
    common = ("kind", "step", "time")
    wild = [
        {name: value if name in common else odd for name, value in line.items()} if n % 3 else line
        for n, line in enumerate(lines)
    ]
    found = {finding.name for finding in findings_of(wild, TINY)}
    assert found == ({"replaced-rate"} if odd == 1e-320 else set())


def test_changes_are_told_once() -> None:
    monitor = Monitor(TINY)
    healthy, sick = {"disc_recall": 0.2, "disc_auc": 0.7}, {"disc_recall": 0.0, "disc_auc": 0.5}
    told = []
    for number, values in enumerate([healthy, sick, healthy, sick, sick, sick, healthy, healthy]):
        step = 300 + 100 * number
        told += monitor.see({"kind": "validation", "step": step, **values})
    assert [(change.state, change.step, change.finding.since) for change in told] == [
        ("begins", 700, 600),
        ("ends", 900, 600),
    ]
    begins, ends = told
    assert begins.finding.until is None
    assert ends.finding.until == 900
    assert "disc_auc 0.500" in begins.values()["evidence"]
    assert "disc_auc 0.700" in ends.values()["evidence"]
    assert monitor.findings == [ends.finding]
    assert monitor.open == []


def test_a_line_of_another_kind() -> None:
    assert Monitor(TINY).see({"kind": "end", "step": 3, "reason": "finished"}) == []
