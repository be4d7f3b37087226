"""The result of a run that has nothing left to do."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from electra_cli.runs.run_folder import Checkpoint


def finished_result(checkpoint: Checkpoint | None, *, stop: int) -> dict[str, Any] | None:
    """What a run that is already finished printed; None if there is something left to do.

    Args:
      checkpoint: Where the run would go on; None for a new one.
      stop: The last step.
    """
    if checkpoint is None or not checkpoint.run.result.is_file():
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
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None  # the last step is evaluated again, and the result written again
    return result if done else None
