"""MLflow."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from pathlib import Path

from mlflow import MlflowClient
from mlflow.entities import Metric, Param, RunTag
from mlflow.exceptions import MlflowException

from electra_cli.tracking.tracker import Outcome, TrackedRun, remember, remembered

_STATUS: Mapping[Outcome, str] = {
    "finished": "FINISHED",
    "stopped": "KILLED",
    "failed": "FAILED",
    "killed": "KILLED",
}
_MOST_PARAMETERS = 100  # of one request, by MLflow's REST API
_LONGEST_PARAMETER, _LONGEST_TAG = 500, 5000  # characters, of the older servers


class MLflow:
    """Tracks by MLflow: where MLFLOW_TRACKING_URI says, else in a database in the run folder."""

    def start(self, run: TrackedRun) -> str:
        """Begins, or goes on in the run with the id that RUN/tracking/mlflow.json has."""
        environment, record = os.environ, run.record("mlflow")
        uri, artifacts = environment.get("MLFLOW_TRACKING_URI"), None
        if uri is None:
            folder = (run.folder / "mlflow").resolve()
            folder.mkdir(parents=True, exist_ok=True)
            uri, artifacts = f"sqlite:///{folder}/mlflow.db", (folder / "artifacts").as_uri()
        self._client = MlflowClient(tracking_uri=uri)
        before = remembered(record).get("id") or environment.get("MLFLOW_RUN_ID")
        if before is None or not self._goes_on(before):
            name = environment.get("MLFLOW_RUN_NAME", run.name)
            self._id = self._client.create_run(
                self._experiment(artifacts), run_name=name
            ).info.run_id
            remember(record, id=self._id)
        self._describe(run)
        return f"mlflow: mlflow ui --backend-store-uri {uri}" if artifacts else f"mlflow: {uri}"

    def _goes_on(self, identity: str) -> bool:
        """Opens a run again; False if there is none."""
        try:
            self._client.get_run(identity)
        except MlflowException as error:
            if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                raise
            return False
        self._client.update_run(identity, status="RUNNING")
        self._id = identity
        return True

    def _experiment(self, artifacts: str | None) -> str:
        if (identity := os.environ.get("MLFLOW_EXPERIMENT_ID")) is not None:
            return identity
        name = os.environ.get("MLFLOW_EXPERIMENT_NAME", "electra")
        found = self._client.get_experiment_by_name(name)
        if found is not None:
            return found.experiment_id
        return self._client.create_experiment(name, artifact_location=artifacts)

    def _describe(self, run: TrackedRun) -> None:
        """Logs the configuration: parameters can be set once, tags have what changed since."""
        known = self._client.get_run(self._id).data.params
        values = {key: str(value)[:_LONGEST_PARAMETER] for key, value in run.flat()}
        new = [Param(key, value) for key, value in values.items() if key not in known]
        changed = [
            RunTag(key, value) for key, value in values.items() if known.get(key, value) != value
        ]
        for first in range(0, len(new), _MOST_PARAMETERS):
            self._client.log_batch(self._id, params=new[first : first + _MOST_PARAMETERS])
        if changed:
            self._client.log_batch(self._id, tags=changed)

    def metrics(self, kind: str, step: int, values: Mapping[str, float]) -> None:
        """Logs a point of each curve, in one request."""
        now = int(time.time() * 1000)
        points = [Metric(f"{kind}/{name}", value, now, step) for name, value in values.items()]
        self._client.log_batch(self._id, metrics=points)

    def finding(self, step: int, name: str, text: str, *, begins: bool) -> None:
        """Sets a tag."""
        state = "begins" if begins else "ends"
        text = f"{state} at step {step}: {text}"
        self._client.set_tag(self._id, f"finding.{name}", text[:_LONGEST_TAG])

    def report(self, path: Path, step: int) -> None:
        """Keeps the page as an artifact."""
        self._client.log_artifact(self._id, str(path))

    def end(self, outcome: Outcome) -> None:
        """Says how the run ended; the next start sets it to RUNNING again."""
        self._client.set_terminated(self._id, _STATUS[outcome])
