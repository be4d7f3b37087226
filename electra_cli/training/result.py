"""What came of a run: the object of `electra pretrain --json` and of RUN/result.json."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from electra_cli.files.atomic import atomic_write_text
from electra_cli.files.redaction import redacted
from electra_cli.modeling.budget import Parameters


@dataclass(frozen=True)
class RunResult:
    """What a finished run says, key by key; docs/json_objects.yaml explains the keys.

    Attributes:
      losses: Of the last training step, by name; None where this process trained no step.
      evaluation: Metrics of the last step on the held-out data; None for what is no number.
    """

    run_dir: str
    preset: str
    device: str
    replicas: int
    precision: str
    start_step: int
    final_step: int
    parameters: Parameters
    flops_per_token: float
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

    def as_json(self) -> dict[str, Any]:
        """The object that `--json` prints."""
        return {"command": "pretrain", **asdict(self)}

    def write(self, path: Path) -> None:
        """Writes the object without secrets.

        Raises:
          OSError: The file cannot be written; nothing is left behind.
        """
        atomic_write_text(path, json.dumps(redacted(self.as_json()), indent=2) + "\n")
