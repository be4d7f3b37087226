"""What came of a run: the object of `electra pretrain --json` and of RUN/result.json."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from electra_cli.files.atomic import atomic_write_text
from electra_cli.files.redaction import redacted
from electra_cli.modeling.budget import Parameters
from electra_cli.report.cost import Goodput
from electra_cli.runs.run_folder import Checkpoint


@dataclass(frozen=True)
class RunResult:
    """What a finished run says, key by key; docs/json_objects.yaml explains the keys.

    Attributes:
      workers: Processes that trained together.
      flops: Of all updates that the weights have seen.
      losses: Of the last training step, by name; None where this process trained no step.
      evaluation: Metrics of the last step on the held-out data; None for what is no number.
      report: The page that explains the run; None if there is none.
      findings: What was wrong with the run, or is; each as `Finding.as_json` has it.
      goodput: What the time of all processes of the run has come to.
    """

    run_dir: str
    preset: str
    device: str
    workers: int
    replicas: int
    precision: str
    tf32: bool
    start_step: int
    final_step: int
    parameters: Parameters
    flops_per_token: float
    flops: float
    losses: Mapping[str, float | None]
    sequences_per_second: float
    tokens_per_second: float
    matmul_peak_share: float
    peak_memory_bytes: int
    seconds: float
    checkpoint: str
    best_checkpoint: str | None
    state_sha256: str
    evaluation: Mapping[str, float | None]
    findings: Sequence[Mapping[str, Any]]
    goodput: Goodput
    report: str | None = None

    def as_json(self) -> dict[str, Any]:
        """The object that `--json` prints."""
        return {"command": "pretrain", **asdict(self)}

    def write(self, path: Path) -> None:
        """Writes the object without secrets.

        Raises:
          OSError: The file cannot be written; nothing is left behind.
        """
        atomic_write_text(path, json.dumps(redacted(self.as_json()), indent=2) + "\n")


def finished_result(checkpoint: Checkpoint | None, *, stop: int | None) -> dict[str, Any] | None:
    """What a run that is already finished printed; None if there is something left to do.

    Args:
      checkpoint: Where the run would go on; None for a new one.
      stop: The last step; None for no end.
    """
    if checkpoint is None or stop is None or not checkpoint.run.result.is_file():
        return None
    folder = checkpoint.run.path
    try:
        result = json.loads(checkpoint.run.result.read_text(encoding="utf-8"))
        done = result["final_step"] == checkpoint.step >= stop
        # Where they lie for this command: the folder may have been moved, or named from elsewhere.
        result["run_dir"] = str(folder)
        for key in ("checkpoint", "best_checkpoint"):
            if result[key] is not None:
                result[key] = str(folder.joinpath(*Path(result[key]).parts[-3:]))
        result["report"] = str(checkpoint.run.report) if result.get("report") else None
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None  # the last step is evaluated again, and the result written again
    return result if done else None
