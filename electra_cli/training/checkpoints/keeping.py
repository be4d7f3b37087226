"""Which checkpoints of a run stay."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from electra_cli.runs.commit import evaluated_metric
from electra_cli.runs.run_folder import RunFolder

# Of which less is better; of every other metric more is.
_LESS_IS_BETTER = ("_loss", "_perplexity", "_error")


@dataclass(frozen=True)
class Keep:
    """Which checkpoints stay.

    Attributes:
      newest: How many of the newest.
      every: Every checkpoint at a multiple of it, for ever; None for none.
      best_by: The metric whose best checkpoint stays, for ever; None for none.
    """

    newest: int
    every: int | None = None
    best_by: str | None = None

    def best(self, run: RunFolder) -> Path | None:
        """The checkpoint with the best metric; the older of two that are equal."""
        if self.best_by is None:
            return None
        sign = -1.0 if self.best_by.endswith(_LESS_IS_BETTER) else 1.0
        values = {
            checkpoint.path: sign * value
            for checkpoint in run.all_checkpoints()
            if (value := evaluated_metric(checkpoint.path, self.best_by)) is not None
        }
        return max(values, key=lambda path: values[path], default=None)

    def sweep(
        self, run: RunFolder, is_held: Callable[[Path], bool] = lambda checkpoint: False
    ) -> None:
        """Deletes the checkpoints that need not stay; what cannot be deleted stays.

        Args:
          run: Of which they are.
          is_held: Whether somebody still reads a checkpoint, which then stays until the next time.
        """
        checkpoints = run.all_checkpoints()
        best = self.best(run)
        for checkpoint in checkpoints[: -self.newest]:
            for_ever = self.every is not None and checkpoint.step % self.every == 0
            if for_ever or checkpoint.path == best or is_held(checkpoint.path):
                continue
            # First its name goes: half a checkpoint never has one.
            hidden = checkpoint.path.with_name(f".{checkpoint.path.name}.old")
            with suppress(OSError):
                checkpoint.path.rename(hidden)
            shutil.rmtree(hidden, ignore_errors=True)
