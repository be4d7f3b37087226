"""Published curves of pretraining, which a run of the same model can be held against."""

from __future__ import annotations

from dataclasses import dataclass

from electra_cli.runs.metrics_file import Series


@dataclass(frozen=True)
class Published:
    """A curve that was published.

    Attributes:
      title: Model and data.
      source: Where it is from.
      remark: How it was read, and what of it differs from a run here.
      curve: Held-out metrics over the steps, by the names of our own; NaN where it has no number.
    """

    title: str
    source: str
    remark: str
    curve: Series
