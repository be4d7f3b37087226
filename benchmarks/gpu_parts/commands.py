"""Runs of the command `electra pretrain`, in processes of their own."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from electra_cli.runs.run_folder import RunFolder
from gpu_parts.sizes import Size
from gpu_parts.workers import WorkerError, end_group, is_memory


class Command:
    """A run that has been started.

    Args:
      size: What it trains.
      data: A prepared folder.
      run: Its run folder.
      options: More of the command line.
      log: Hears what it says.
    """

    def __init__(
        self, size: Size, *, data: Path, run: Path, options: Sequence[str], log: Path
    ) -> None:
        settings = [*size.overrides, "runtime.share_device=true", "runtime.track=none"]
        command = [sys.executable, "-m", "electra_cli", "pretrain", "--json", "--quiet", "--xla"]
        command += ["--preset", size.preset, "--data", str(data), "--model-dir", str(run)]
        command += [part for text in settings for part in ("--set", text)]
        self.run = run
        with log.open("ab") as errors:
            self._process = subprocess.Popen(
                [*command, *options], stdout=subprocess.PIPE, stderr=errors, start_new_session=True
            )

    def result(self, seconds: float) -> dict[str, Any]:
        """Waits for its end.

        Raises:
          WorkerError: It has failed, or has not ended in time.
        """
        try:
            output, _ = self._process.communicate(timeout=max(1.0, seconds))
        except subprocess.TimeoutExpired:
            end_group(self._process)
            raise WorkerError(f"electra pretrain has not ended in {seconds:.0f} s") from None
        if self._process.returncode:
            text = output.decode(errors="replace").strip()
            raise WorkerError(
                f"electra pretrain ended with {self._process.returncode}: {text[:500]}",
                memory=self._process.returncode == 71 or is_memory(text),
            )
        return dict(json.loads(output))

    def kill_after_checkpoint(self, step: int, seconds: float) -> bool:
        """Kills it with SIGKILL once it has saved a checkpoint of a step.

        Returns:
          Whether it was alive until then.

        Raises:
          WorkerError: There was none in time.
        """
        end = time.monotonic() + seconds
        while not self._has_checkpoint(step):
            if self._process.poll() is not None or time.monotonic() > end:
                self.end()
                raise WorkerError(f"no checkpoint of step {step} in {seconds:.0f} s")
            time.sleep(0.01)
        alive = self._process.poll() is None
        end_group(self._process)
        return alive and self._process.returncode == -signal.SIGKILL

    def _has_checkpoint(self, step: int) -> bool:
        found = RunFolder(self.run).all_checkpoints()
        return any(one.step >= step and one.is_committed for one in found)

    def end(self) -> None:
        """Ends it, if it still runs, and deletes what it has written."""
        end_group(self._process)
        shutil.rmtree(self.run, ignore_errors=True)
