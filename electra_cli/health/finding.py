"""A finding: something about a run that is wrong, since when, what it means and what to try."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal


@dataclass(frozen=True)
class Finding:
    """Something that is wrong with a run, or was.

    Attributes:
      name: One of `health.FINDINGS`.
      title: The same in words.
      since: The step from which on it holds.
      until: The step from which on it holds no more; None while it does.
      evidence: The numbers that show it.
      meaning: What it says about the run.
      advice: What to try.
    """

    name: str
    title: str
    since: int
    until: int | None
    evidence: str
    meaning: str
    advice: str

    def as_json(self) -> dict[str, Any]:
        """The object of `findings` in `--json` and in RUN/result.json."""
        return asdict(self)


@dataclass(frozen=True)
class Change:
    """A finding begins or ends.

    Attributes:
      state: Which of both.
      step: The step at which it was noticed; it has held for some lines by then.
      finding: As it is from now on.
      evidence: The numbers that show that it begins or ends.
    """

    state: Literal["begins", "ends"]
    step: int
    finding: Finding
    evidence: str

    def values(self) -> dict[str, Any]:
        """What a line of kind `finding` in RUN/metrics.jsonl says."""
        finding = self.finding
        return {
            "name": finding.name,
            "state": self.state,
            "title": finding.title,
            "since": finding.since,
            "evidence": self.evidence,
        }
