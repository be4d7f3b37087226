"""Weights & Biases."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import wandb

from electra_cli.tracking.tracker import (
    Outcome,
    TrackedRun,
    new_identity,
    remember,
    remembered,
)

_SECONDS_TO_REACH_IT = 30


class Wandb:
    """Tracks by wandb, whose variables (WANDB_MODE, WANDB_PROJECT, WANDB_DIR, …) say where.

    Where nobody is logged in or the server cannot be reached, it writes an offline run.
    """

    def start(self, run: TrackedRun) -> str:
        """Begins, or goes on in the run with the id that RUN/tracking/wandb.json has."""
        environment, record = os.environ, run.record("wandb")
        before = remembered(record)
        identity = before.get("id") or environment.get("WANDB_RUN_ID") or new_identity()
        remember(record, id=identity)
        # What is given here goes before the variables.
        given: dict[str, Any] = {
            "project": None if "WANDB_PROJECT" in environment else "electra",
            "name": None if "WANDB_NAME" in environment else run.name,
            "dir": None if "WANDB_DIR" in environment else str(run.folder),
            "id": identity,
            "resume": "allow",
            "config": dict(run.config),
            "allow_val_change": True,
        }
        # Neither the working directory's repository nor its code is part of the run.
        settings: dict[str, Any] = {
            "console": "off",
            "disable_code": True,
            "disable_git": True,
            "silent": True,
        }
        if "WANDB_INIT_TIMEOUT" not in environment:
            settings["init_timeout"] = _SECONDS_TO_REACH_IT
        why = ""
        try:
            self._run = wandb.init(**given, settings=wandb.Settings(**settings))
        except Exception as error:
            why = f" ({str(error).splitlines()[0]})"
            wandb.teardown()  # else the id is in use
            offline = wandb.Settings(**settings)
            self._run = wandb.init(**given, mode="offline", settings=offline)
        # A step that is done again comes after a later one, which wandb's own steps cannot.
        self._run.define_metric("step")
        self._run.define_metric("*", step_metric="step")
        if self._run.offline:
            return f"wandb is offline{why}; later: wandb sync {Path(self._run.dir).parent}"
        return f"wandb: {self._run.url}" if self._run.url else ""

    def metrics(self, kind: str, step: int, values: Mapping[str, float]) -> None:
        """Logs a point of each curve; the axis of them all is `step`."""
        curves = {f"{kind}/{name}": value for name, value in values.items()}
        self._run.log({"step": step, **curves})

    def finding(self, step: int, name: str, text: str, *, begins: bool) -> None:
        """Puts the text into the summary of the run."""
        state = "begins" if begins else "ends"
        self._run.summary[f"finding_text/{name}"] = f"{state} at step {step}: {text}"

    def report(self, path: Path, step: int) -> None:
        """Shows the page among the curves."""
        self._run.log({"step": step, "report": wandb.Html(str(path), inject=False)})

    def end(self, outcome: Outcome) -> None:
        """Finishes the run; one that was stopped goes on later."""
        if outcome == "stopped":
            self._run.mark_preempting()
        self._run.finish(exit_code=0 if outcome == "finished" else 1)
