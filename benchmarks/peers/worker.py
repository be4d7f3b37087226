"""What the peers have in common: their arguments, the rows they read, how they are timed."""

from __future__ import annotations

import argparse
import json
import math
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

# A peer that is told what to run, by benchmarks/gpu_parts/theirs.py, gets along without the
# package and what it needs.
if TYPE_CHECKING:
    from electra_cli.config.schema import Config
    from electra_cli.corpus.wordpiece.vocabulary import SpecialIds


@dataclass(frozen=True)
class Job:
    """What to run.

    Attributes:
      config: Sizes, rates and batch, the same that `electra pretrain` gets.
      rows: The prepared rows to train on, [rows, S].
      special: Ids of the special tokens.
      precision: float32 or bfloat16, for a peer that has a choice.
      warmup: Steps that are not timed.
      steps: Steps that are timed.
      padded: Whether there is padding in any row.
    """

    config: Config
    rows: npt.NDArray[np.int64]
    special: SpecialIds
    precision: str
    warmup: int
    steps: int
    padded: bool

    def batch(self, rng: np.random.Generator) -> npt.NDArray[np.int64]:
        """Rows drawn at random, [B, S]."""
        return self.rows[rng.integers(len(self.rows), size=self.config.train.batch_size)]


def job_parser(description: str | None) -> argparse.ArgumentParser:
    """The command line of a peer."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--preset", required=True)
    parser.add_argument("--data", type=Path, required=True, help="a prepared folder")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--precision", choices=("float32", "bfloat16"), required=True)
    parser.add_argument("--warmup", type=int, required=True)
    parser.add_argument("--steps", type=int, required=True)
    return parser


def read_job(options: argparse.Namespace) -> Job:
    """What a command line of `job_parser` asks for."""
    from electra_cli.config.load import load_config, parse_set
    from electra_cli.corpus.shards.manifest import load_manifest
    from electra_cli.corpus.shards.rows import ids_of, load_shard

    config = load_config(
        preset=options.preset,
        environment=os.environ,
        overrides=[parse_set(text) for text in options.set],
    ).config
    manifest = load_manifest(options.data)
    shards = np.concatenate([load_shard(path) for path in manifest.paths_of("train")])
    rows = ids_of(shards, manifest.sequence_length).astype(np.int64)
    return Job(
        config,
        rows,
        manifest.special_ids,
        options.precision,
        options.warmup,
        options.steps,
        padded=bool((rows == manifest.special_ids.pad).any()),
    )


def measure(
    job: Job, run: Callable[[int], float], *, precision: str, parameters: Callable[[], int]
) -> None:
    """Times a training and prints the result as JSON.

    Args:
      job: What to run.
      run: Trains for a number of steps and returns a total loss among theirs.
      precision: The number format in use.
      parameters: Counts the trainable parameters; called after the warm-up.
    """
    early = run(job.warmup)
    started = time.perf_counter()
    last = run(job.steps)
    seconds = (time.perf_counter() - started) / job.steps
    if not (math.isfinite(early) and math.isfinite(last)):
        raise SystemExit(f"the loss is {early}, then {last}")
    record = {
        "precision": precision,
        "parameters": parameters(),
        "seconds_per_step": seconds,
        "early_loss": early,
        "last_loss": last,
    }
    print(json.dumps(record))
