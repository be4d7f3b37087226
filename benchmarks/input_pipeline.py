"""Rows a second from prepared shards to masked batches, without a model.

python benchmarks/input_pipeline.py [--batch-size N ...] [--masking M] [--seconds N] [--json FILE]

The dataset is the one of a training run, and each batch is masked in the graph by the function the
training step calls. Two cores by default, whatever the machine has. "rows only" leaves the masking
out; "masking only" masks one batch again and again.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, get_args

from synthetic import write_prepared

from electra_cli.config.choices import Masking
from electra_cli.corpus.shards.manifest import Manifest, load_manifest
from electra_cli.environment import prepare_tensorflow

_TARGET = 50_000  # rows of 128 tokens a second on two cores
_SHARDS, _ROWS = 64, 2**19
_PASSES = 5


def loops(manifest: Manifest, batch_size: int, kind: Masking) -> dict[str, Callable[[int], Any]]:
    """What is measured: functions that make a number of batches.

    Args:
      manifest: The prepared folder's manifest.
      batch_size: Rows of a batch.
      kind: What is drawn to be masked.
    """
    import tensorflow as tf

    from electra_cli.inputs import masking, rows

    share = rows.Share(batch_size)
    words = kind != "token"
    dataset = rows.training_dataset(manifest, share, seed=0, start_step=0, word_starts=words)
    one = next(iter(dataset))

    def mask(batch: dict[str, tf.Tensor], step: tf.Tensor) -> tf.Tensor:
        features = masking.mask_tokens(
            masking.rows_to_features(batch["input_ids"], manifest.special_ids.sep),
            seed=tf.constant(0, tf.int64),
            step=step,
            examples=batch["example_index"],
            mask_probability=0.15,
            sampling="reference",
            special_ids=manifest.special_ids.model_dump(),
            masking=kind,
            word_starts=batch.get("word_starts"),
        )
        # A sum of all, so that nothing is optimized away.
        return tf.add_n([tf.reduce_sum(tf.cast(f, tf.float32)) for f in features.values()])

    def repeat(body: Callable[[tf.Tensor], tf.Tensor]) -> Callable[[int], Any]:
        @tf.function(autograph=False)
        def run(steps: tf.Tensor) -> tf.Tensor:
            return tf.while_loop(
                lambda step, _: step < steps,
                lambda step, total: (step + 1, total + body(step)),
                (tf.zeros([], tf.int64), tf.zeros([])),
            )[1]

        return lambda steps: run(tf.constant(steps, tf.int64)).numpy()

    def reading(iterator: Iterator[Any], with_mask: bool) -> Callable[[int], Any]:
        def body(step: tf.Tensor) -> tf.Tensor:
            batch = next(iterator)
            if with_mask:
                return mask(batch, batch["step"][0])
            return tf.cast(batch["input_ids"][0, 0], tf.float32)

        return repeat(body)

    return {
        "shards to masked batches": reading(iter(dataset), with_mask=True),
        "rows only": reading(iter(dataset), with_mask=False),
        "masking only": repeat(lambda step: mask(one, step)),
    }


def rows_per_second(run: Callable[[int], Any], batch_size: int, seconds: float) -> list[float]:
    """Measures a loop several times, after one short pass that traces and fills buffers."""
    run(8)
    started = time.perf_counter()
    run(8)
    steps = max(8, int(8 * seconds / (time.perf_counter() - started)))
    found = []
    for _ in range(_PASSES):
        started = time.perf_counter()
        run(steps)
        found.append(steps * batch_size / (time.perf_counter() - started))
    return found


def main() -> None:
    """Measures all batch sizes and prints a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--batch-size", type=int, nargs="+", default=[128, 1024])
    parser.add_argument(
        "--masking", choices=get_args(Masking), default="token", help="objective.masking"
    )
    parser.add_argument("--length", type=int, default=128, help="tokens a row")
    parser.add_argument("--cores", type=int, default=2, help="cores to use (Linux only)")
    parser.add_argument("--seconds", type=float, default=3.0, help="of each of five passes")
    parser.add_argument("--json", type=Path, help="also write all measured values to this file")
    options = parser.parse_args()
    if hasattr(os, "sched_setaffinity"):
        # TensorFlow makes as many threads as there are cores it may run on.
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: options.cores])
    prepare_tensorflow()

    measured: dict[str, dict[str, list[float]]] = {}
    print(f"{'batch':>6}  {'rows a second':26}{'median':>10}{'min':>10}{'max':>10}")
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "data"
        write_prepared(data, length=options.length, rows=_ROWS, shards=_SHARDS)
        manifest = load_manifest(data)
        for batch_size in options.batch_size:
            found = measured[str(batch_size)] = {}
            for name, run in loops(manifest, batch_size, options.masking).items():
                values = found[name] = rows_per_second(run, batch_size, options.seconds)
                print(
                    f"{batch_size:6}  {name:26}{statistics.median(values):10,.0f}"
                    f"{min(values):10,.0f}{max(values):10,.0f}"
                )
    print(f"target: {_TARGET:,} from shards to masked batches")
    if options.json:
        record = {
            "format_version": 1,
            "python": platform.python_version(),
            "machine": platform.machine(),
            "cpus": os.cpu_count(),
            "cores": options.cores,
            "length": options.length,
            "masking": options.masking,
            "rows_per_second": measured,
        }
        options.json.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
