"""Fine-tuning by Hugging Face's `Trainer`, as shipped, in float32.

`ElectraForSequenceClassification` with the weights of a folder and a new head, in sdpa attention,
and the `Trainer` with its own optimizer (fused AdamW), clipping and schedule; PyTorch takes all
cores by itself. Rows are encoded beforehand and padded to their full length, and wait in memory, so
that its data loader only stacks them. It writes no checkpoint, evaluates nothing, and logs twice.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from transformers import (
    ElectraForSequenceClassification,
    Trainer,
    TrainerCallback,
    TrainingArguments,
    default_data_collator,
)

# Our names of columns and those of the model's arguments.
_COLUMNS = {
    "input_ids": "input_ids",
    "input_mask": "attention_mask",
    "segment_ids": "token_type_ids",
    "label_ids": "labels",
}


class Rows(torch.utils.data.Dataset[dict[str, torch.Tensor]]):
    """Encoded rows in memory."""

    def __init__(self, path: Path) -> None:
        with np.load(path) as columns:
            self._columns = {
                theirs: torch.from_numpy(columns[ours].astype(np.int64))
                for ours, theirs in _COLUMNS.items()
            }

    def __len__(self) -> int:
        return len(self._columns["labels"])

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        return {name: column[index] for name, column in self._columns.items()}


class Timer(TrainerCallback):
    """Notes when the first timed step begins and when the last one has ended."""

    def __init__(self, warmup: int) -> None:
        self._warmup = warmup
        self.started = self.ended = math.nan

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Called after each update."""
        del args, control, kwargs
        self.ended = time.perf_counter()
        if state.global_step == self._warmup:
            self.started = self.ended


def main() -> None:
    """Trains and prints the measurement."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--rows", type=Path, required=True)
    parser.add_argument("--batch-size", type=int, required=True)
    parser.add_argument("--learning-rate", type=float, required=True)
    parser.add_argument("--warmup", type=int, required=True)
    parser.add_argument("--steps", type=int, required=True)
    options = parser.parse_args()

    model = ElectraForSequenceClassification.from_pretrained(options.model, num_labels=2)
    timer = Timer(options.warmup)
    with TemporaryDirectory() as folder:
        trainer = Trainer(
            model=model,
            args=TrainingArguments(
                folder,
                per_device_train_batch_size=options.batch_size,
                max_steps=options.warmup + options.steps,
                learning_rate=options.learning_rate,
                warmup_steps=0.1,
                weight_decay=0.01,
                logging_steps=options.warmup,
                save_strategy="no",
                report_to="none",
                disable_tqdm=True,
                use_cpu=True,
                dataloader_pin_memory=False,
            ),
            train_dataset=Rows(options.rows),
            data_collator=default_data_collator,
            callbacks=[timer],
        )
        trainer.train()
    losses = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
    record = {
        "precision": str(model.dtype).removeprefix("torch."),
        "threads": torch.get_num_threads(),
        "parameters": sum(p.numel() for p in model.parameters()),
        "seconds_per_step": (timer.ended - timer.started) / options.steps,
        "early_loss": losses[0],
        "last_loss": losses[-1],
    }
    print(json.dumps(record))


if __name__ == "__main__":
    main()
