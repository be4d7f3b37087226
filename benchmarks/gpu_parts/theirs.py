"""PyTorch's side of benchmarks/gpu.py: peers/huggingface.py in a process that stays.

It imports nothing of the package, whose dependencies need not be where PyTorch is.
"""

from __future__ import annotations

import gc
import os
import resource
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch

sys.path.append(str(Path(__file__).parents[1] / "peers"))

from huggingface import Training, build
from worker import Job

from gpu_parts.errors import errors_of_outputs

_HELD = 2  # trainings that stay prepared
_NO_ROWS: Any = (None, None, "float32", 0, 0, False)  # of a Job whose networks are all that counts


def named(value: Any) -> Any:
    """JSON whose keys are attributes."""
    if isinstance(value, Mapping):
        return SimpleNamespace(**{key: named(part) for key, part in value.items()})
    return value


class Theirs:
    """What can be asked.

    Args:
      device: cpu or gpu.
    """

    def __init__(self, device: str) -> None:
        self._device = "cuda" if device == "gpu" else "cpu"
        self._held: dict[str, tuple[Training, torch.Tensor, int]] = {}

    def environment(self, size: int) -> dict[str, Any]:
        """Versions, and the best rate of products of [size, size]; zeros would be faster."""
        import transformers

        found: dict[str, Any] = {
            "torch": torch.__version__,
            "transformers": transformers.__version__,
            "cuda": torch.version.cuda,
            "matmul_flops": {"bfloat16": self._rate(size, torch.bfloat16)},
        }
        if self._device == "cuda":
            found["cudnn"] = torch.backends.cudnn.version()
            found["device"] = torch.cuda.get_device_name()
        return found

    def _rate(self, size: int, dtype: torch.dtype) -> float:
        left, right = (torch.randn(size, size, device=self._device).to(dtype) for _ in range(2))
        best = float("inf")
        for _ in range(4):
            self._wait()
            started = time.perf_counter()
            for _ in range(10):
                torch.mm(left, right)
            self._wait()
            best = min(best, (time.perf_counter() - started) / 10)
        return 2 * size**3 / best

    def _wait(self) -> None:
        if self._device == "cuda":
            torch.cuda.synchronize()

    def prepare(
        self,
        name: str,
        job: dict[str, Any],
        special: dict[str, int],
        rows: str,
        precision: str,
        compiled: dict[str, str],
    ) -> dict[str, Any]:
        """Builds, compiles and takes three steps.

        Args:
          name: For `run`.
          job: A configuration, as `Size.job` has it.
          special: Ids of the special tokens.
          rows: A .npy file of a batch, [B, S].
          precision: float32 or bfloat16.
          compiled: Arguments of torch.compile.
        """
        while len(self._held) >= _HELD:
            self._held.pop(next(iter(self._held)))
        gc.collect()
        if self._device == "cuda":
            torch.cuda.empty_cache()
        others = torch.cuda.memory_allocated() if self._device == "cuda" else 0
        torch.manual_seed(0)
        started = time.perf_counter()
        batch = torch.from_numpy(np.load(rows).astype(np.int64)).to(self._device)  # [B, S]
        padded = bool((batch == special["pad"]).any())
        task = Job(named(job), batch.numpy(force=True), named(special), precision, 0, 0, padded)
        training = Training(task, device=self._device, compiled=compiled)
        early = training.run(1, lambda: batch)
        seconds = time.perf_counter() - started
        training.run(2, lambda: batch)
        self._held[name] = training, batch, others
        return {
            "precision": precision,
            "parameters": training.parameters,
            "first_step_seconds": seconds,
            "early_loss": early,
        }

    def run(self, name: str, steps: int) -> dict[str, Any]:
        """Times steps over the batch that lies on the device."""
        training, batch, others = self._held[name]
        if self._device == "cuda":
            torch.cuda.reset_peak_memory_stats()
        self._wait()
        started = time.perf_counter()
        loss = training.run(steps, lambda: batch)
        seconds = time.perf_counter() - started
        return {"seconds": seconds, "loss": loss, "memory_bytes": self._memory() - others}

    def _memory(self) -> int:
        """The most that tensors had since the count began; of the process on a CPU."""
        if self._device == "cuda":
            return torch.cuda.max_memory_allocated()
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024

    def golden(self, job: dict[str, Any], folder: str) -> dict[str, dict[str, float]]:
        """Runs both networks on recorded inputs, without dropout.

        Args:
          job: The configuration of the recorded case.
          folder: Where our side has written it.

        Returns:
          By number format the relative error of each output.
        """
        found = {}
        with np.load(f"{folder}/recorded.npz") as file:
            recorded = dict(file)
        with np.load(f"{folder}/inputs.npz") as file:
            given = {key: torch.from_numpy(file[key]).to(self._device) for key in file.files}
        for precision in ("float32", "bfloat16"):
            models = build(Job(named(job), *_NO_ROWS)).to(self._device).eval()
            with np.load(f"{folder}/weights.npz") as file:
                for network, model in models.items():
                    tensors = {
                        key.removeprefix(f"{network}/"): torch.from_numpy(file[key])
                        for key in file.files
                        if key.startswith(f"{network}/")
                    }
                    missing = model.load_state_dict(tensors, strict=False).missing_keys
                    left = [key for key in missing if key != "generator_lm_head.weight"]
                    if left:
                        raise ValueError(f"{network} lacks {left}")
            with (
                torch.no_grad(),
                torch.autocast(self._device, torch.bfloat16, enabled=precision == "bfloat16"),
            ):
                outputs = _outputs(models, given)
            arrays = {key: value.float().cpu().numpy() for key, value in outputs.items()}
            found[precision] = errors_of_outputs(arrays, recorded)
        return found


def _outputs(
    models: torch.nn.ModuleDict, given: Mapping[str, torch.Tensor]
) -> dict[str, torch.Tensor]:
    """By the names of our outputs."""
    shared = {"attention_mask": given["input_mask"], "token_type_ids": given["segment_ids"]}
    generator, discriminator = models["generator"], models["discriminator"]
    hidden = generator.electra(given["masked_input_ids"], **shared).last_hidden_state  # [B, S, G]
    positions = given["masked_lm_positions"].long()  # [B, M]
    rows = torch.arange(len(positions), device=positions.device)[:, None]
    predictions = generator.generator_predictions(hidden[rows, positions])  # [B, M, E]
    sequence = discriminator.electra(given["disc_inputs"], **shared).last_hidden_state  # [B, S, D]
    logits = discriminator.discriminator_predictions(sequence)  # [B, S]
    return {
        "masked_lm_logits": generator.generator_lm_head(predictions),  # [B, M, V]
        "disc_sequence_output": sequence,
        "disc_probabilities": torch.sigmoid(logits.float()),
    }


def start(device: str) -> dict[str, Any]:
    """The functions that can be asked."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    theirs = Theirs(device)
    names = ("environment", "prepare", "run", "golden")
    return {name: getattr(theirs, name) for name in names}
