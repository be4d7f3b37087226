"""A trial: ten seconds of matrix products, and a few steps of the preset tiny."""

from __future__ import annotations

import json
import os
import statistics
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from electra_cli.errors import counted, listed
from electra_cli.training.devices.bounded import Answer, ask
from electra_cli.training.devices.check import Check

TOPIC = "trial"

MATMUL_SECONDS = 10.0
STEPS, _BATCH = 15, 32
# A slow machine may take minutes to start TensorFlow, and as many to compile.
_LONGEST = 600.0
_FALLS_TO = 0.7  # of the best rate: less is what heat, neighbours or a quota take
_STARTED_HERE = {"TF_CONFIG"}  # a trial joins no cluster


@dataclass(frozen=True)
class Trial:
    """What came of it; None for what was not reached, or not tried.

    Attributes:
      tensorflow: Its version.
      import_seconds: Until it was imported.
      gpus: Those that TensorFlow uses.
      precision: What matrices were multiplied in: the compute type that `auto` chooses.
      matmul_peak_flops: The best rate, FLOP per second.
      matmul_sustained_flops: The median rate of the second half of the ten seconds.
      seconds_a_step: Of the preset tiny.
      tokens_per_second: Of its training, padding included.
      matmul_peak_share: The training's share of the peak that it measured itself.
    """

    tensorflow: str | None = None
    import_seconds: float | None = None
    gpus: tuple[str, ...] = ()
    precision: str | None = None
    matmul_peak_flops: float | None = None
    matmul_sustained_flops: float | None = None
    seconds_a_step: float | None = None
    tokens_per_second: float | None = None
    matmul_peak_share: float | None = None


def run_trial() -> tuple[Trial, list[Check]]:
    """Runs both processes; what they write is gone afterwards."""
    environment = {k: v for k, v in os.environ.items() if k not in _STARTED_HERE}
    with tempfile.TemporaryDirectory(prefix="electra-doctor-") as folder:
        python = [sys.executable, "-P", "-m"]
        command = [*python, "electra_cli.doctor.measure", str(MATMUL_SECONDS)]
        measured = ask(command, seconds=_LONGEST, environment=environment)
        device = "gpu" if _joined(measured.stdout).get("gpus") else "cpu"
        # fmt: off
        command = [
            *python, "electra_cli", "pretrain", "--preset", "tiny", "--model-dir", f"{folder}/run",
            "--stop-at-step", str(STEPS), "--batch-size", str(_BATCH), "--set", "train.log_every=5",
            "--device", device, "--json", "--quiet",
        ]
        # fmt: on
        # The demo corpus is made there too: nothing is left in the user's cache.
        environment["XDG_CACHE_HOME"] = folder
        trained = ask(command, seconds=_LONGEST, environment=environment)
    return judge(measured, trained)


def judge(measured: Answer, trained: Answer) -> tuple[Trial, list[Check]]:
    """What both processes said.

    Args:
      measured: Of `measure`, lines of JSON.
      trained: Of `electra pretrain --json`, one object.
    """
    told = _joined(measured.stdout)
    result = _joined(trained.stdout)
    rates = told.get("rates", [])
    speed = result.get("sequences_per_second")
    trial = Trial(
        tensorflow=told.get("tensorflow"),
        import_seconds=told.get("import_seconds"),
        gpus=tuple(told.get("gpus", ())),
        precision=told.get("precision"),
        matmul_peak_flops=max(rates, default=None),
        matmul_sustained_flops=statistics.median(rates[len(rates) // 2 :]) if rates else None,
        seconds_a_step=_BATCH / speed if speed else None,
        tokens_per_second=result.get("tokens_per_second"),
        matmul_peak_share=result.get("matmul_peak_share"),
    )
    return trial, [*_of_tensorflow(trial, measured), *_of_training(trial, result, trained)]


def _joined(output: str) -> dict[str, Any]:
    """All keys of all lines that are objects; the last one of a name holds."""
    found: dict[str, Any] = {}
    for line in output.splitlines():
        with suppress(ValueError, TypeError):
            value = json.loads(line)
            found.update(value if isinstance(value, dict) else {})
    return found


def _of_tensorflow(trial: Trial, measured: Answer) -> Iterator[Check]:
    if trial.tensorflow is None:
        advice = f"{sys.executable} -c 'import tensorflow' shows all of it"
        if "SIGILL" in measured.failure:
            advice = "another machine: this processor lacks what TensorFlow's package is built for"
        found = f"cannot be imported: the process {measured.failure or 'said nothing'}"
        yield Check(TOPIC, "TensorFlow", "problem", found, advice)
        return
    devices = listed(trial.gpus, 4) if trial.gpus else "no GPU: the CPU"
    found = f"{trial.tensorflow}, imported in {trial.import_seconds:.1f} s; {devices}"
    yield Check(TOPIC, "TensorFlow", "ok", found)
    if trial.matmul_peak_flops is None or trial.matmul_sustained_flops is None:
        found = f"the process {measured.failure or 'said nothing of them'}"
        yield Check(
            TOPIC, "matrix products", "problem", found, "electra doctor --no-devices; report it"
        )
        return
    best, kept = (
        f"{rate / 1e9:,.0f}" for rate in (trial.matmul_peak_flops, trial.matmul_sustained_flops)
    )
    found = f"{kept} GFLOP/s in {trial.precision} for {MATMUL_SECONDS:.0f} s, {best} at best"
    if trial.matmul_sustained_flops < _FALLS_TO * trial.matmul_peak_flops:
        advice = "end what else runs (top, nvidia-smi); heat and a container's quota do it too"
        yield Check(TOPIC, "matrix products", "note", f"{found}: the rate falls", advice)
    else:
        yield Check(TOPIC, "matrix products", "ok", found)


def _of_training(trial: Trial, result: Mapping[str, Any], trained: Answer) -> Iterator[Check]:
    name = "preset tiny"
    error = result.get("error")
    if error:
        yield Check(TOPIC, name, "problem", error["message"], error["hint"])
    elif trial.seconds_a_step is None or trained.failure:
        found = f"the process {trained.failure or 'said nothing'}"
        yield Check(TOPIC, name, "problem", found, "electra pretrain --preset tiny --debug")
    else:
        found = (
            f"{counted(STEPS, 'step')}, {trial.seconds_a_step:.2f} s each, "
            f"{trial.tokens_per_second:,.0f} tokens/s, {trial.matmul_peak_share:.0%} of the peak"
        )
        yield Check(TOPIC, name, "ok", found)
