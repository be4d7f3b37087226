"""Sees the lines of a run one after the other, and keeps what is wrong with it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from electra_cli.health.facts import Facts
from electra_cli.health.finding import Change, Finding
from electra_cli.health.rule import Line, Rule, Sign
from electra_cli.health.rules import RULES

_JUDGED = ("train", "validation")


class Monitor:
    """All rules over one run.

    Args:
      facts: Of the run.
    """

    def __init__(self, facts: Facts) -> None:
        self._watches = [_Watch(rule(facts)) for rule in RULES if rule.applies(facts)]
        kinds = {kind for watch in self._watches for kind in watch.rule.kinds}
        self._by_kind = {
            kind: [watch for watch in self._watches if kind in watch.rule.kinds] for kind in kinds
        }
        self._ended: list[Finding] = []

    def see(self, line: Line) -> list[Change]:
        """Sees the next line of metrics.jsonl.

        Args:
          line: With kind and step; numbers that are not finite may be NaN or None.

        Returns:
          The findings that begin or end with it.
        """
        changes = []
        for watch in self._by_kind.get(line["kind"], ()):
            change = watch.see(line)
            if change is not None:
                changes.append(change)
                if change.state == "ends":
                    self._ended.append(change.finding)
        return changes

    @property
    def findings(self) -> list[Finding]:
        """All that have begun, by their first steps; those that have ended say so in `until`."""
        return sorted([*self._ended, *self.open], key=lambda finding: finding.since)

    @property
    def open(self) -> list[Finding]:
        """Those that hold."""
        return [watch.finding for watch in self._watches if watch.finding is not None]


def findings_of(lines: Iterable[Line], facts: Facts) -> list[Finding]:
    """What was found in a history.

    Args:
      lines: Of metrics.jsonl, in the order in which they were written.
      facts: Of the run.
    """
    monitor = Monitor(facts)
    for line in without_repeats(lines):
        monitor.see(line)
    return monitor.findings


def without_repeats(lines: Iterable[Line]) -> list[Line]:
    """The lines without those that a killed process wrote and a later one wrote again.

    A process goes on from a checkpoint, and what was written after it is written anew: what came
    later than the step of a `start`, or at the step of a line of the same kind and later.
    """
    kept: list[Line] = []
    last = dict.fromkeys(_JUDGED, -1)
    for line in lines:
        kind, step = line["kind"], line["step"]
        if kind == "start" and max(last.values()) > step:
            kept = [one for one in kept if one["step"] <= step]
        elif kind in last and last[kind] >= step:
            kept = [one for one in kept if one["step"] < step or one["kind"] == "start"]
        else:
            kept.append(line)
            if kind in last:
                last[kind] = step
            continue
        kept.append(line)
        last = {
            known: max((one["step"] for one in kept if one["kind"] == known), default=-1)
            for known in _JUDGED
        }
    return kept


class _Watch:
    """A rule and whether its finding holds: a few signs in a row begin and end one."""

    def __init__(self, rule: Rule) -> None:
        self.rule = rule
        self.finding: Finding | None = None
        self._row = 0
        self._first: tuple[int, str] = (0, "")

    def see(self, line: Line) -> Change | None:
        sign = self.rule.see(line)
        if sign is None:
            return None
        if sign.state != ("wrong" if self.finding is None else "fine"):
            self._row = 0
            return None
        step = line["step"]
        if self._row == 0:
            self._first = (step if sign.since is None else sign.since, sign.text)
        self._row += 1
        return self._begin(step, sign) if self.finding is None else self._end(step, sign)

    def _begin(self, step: int, sign: Sign) -> Change | None:
        rule = self.rule
        if self._row < rule.begins_after:
            return None
        self._row = 0
        self.finding = Finding(
            rule.name, rule.title, self._first[0], None, sign.text, rule.meaning, rule.advice
        )
        return Change("begins", step, self.finding, sign.text)

    def _end(self, step: int, sign: Sign) -> Change | None:
        before = self.finding
        if before is None or self._row < self.rule.ends_after:
            return None
        self._row, self.finding = 0, None
        ended = replace(before, until=self._first[0])
        return Change("ends", step, ended, sign.text)
