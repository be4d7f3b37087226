"""Trackio."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import trackio

from electra_cli.tracking.tracker import Outcome, TrackedRun, new_identity, remember, remembered


class Trackio:
    """Tracks by trackio: its local store, unless its variables (TRACKIO_SPACE_ID, …) say else."""

    def start(self, run: TrackedRun) -> str:
        """Begins, or goes on in the run with the name that RUN/tracking/trackio.json has."""
        record = run.record("trackio")
        # By its name a run is found again, so no other may have it.
        name = remembered(record).get("name") or f"{run.name}-{new_identity()}"
        remember(record, name=name)
        project = os.environ.get("TRACKIO_PROJECT", "electra")
        self._run = trackio.init(
            project=project, name=name, resume="allow", config=dict(run.config), embed=False
        )
        return f"trackio: trackio show --project {project}, run {name}"

    def metrics(self, kind: str, step: int, values: Mapping[str, float]) -> None:
        """Logs a point of each curve."""
        self._run.log({f"{kind}/{name}": value for name, value in values.items()}, step=step)

    def finding(self, step: int, name: str, text: str, *, begins: bool) -> None:
        """Raises an alert, which the dashboard shows."""
        level = trackio.AlertLevel.WARN if begins else trackio.AlertLevel.INFO
        state = "begins" if begins else "ends"
        self._run.alert(title=f"{name} {state}", text=text, level=level, step=step)

    def report(self, path: Path, step: int) -> None:
        """Shows the page among the curves."""
        self._run.log({"report": trackio.Html(str(path))}, step=step)

    def end(self, outcome: Outcome) -> None:
        """Writes what is still in its queue."""
        trackio.finish()
