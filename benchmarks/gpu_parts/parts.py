"""The parts: each asks the two sides or runs commands, and returns what is written of it."""

from __future__ import annotations

import math
import shutil
import statistics
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from gpu_parts.bench import Bench
from gpu_parts.commands import Command
from gpu_parts.sizes import EQUAL, Size, job_of
from gpu_parts.workers import Worker, WorkerError

Found = dict[str, Any]

_OF_COMMAND = (
    "precision",
    "sequences_per_second",
    "tokens_per_second",
    "matmul_peak_share",
    "peak_memory_bytes",
    "seconds",
    "losses",
    "goodput",
    "final_step",
)

_OF_CARD = "name,driver_version,memory.total,memory.used,clocks.max.sm,clocks.sm,power.limit"

_FLOAT32 = 1e-4
# How near bfloat16 has to be to PyTorch's error. Autocast keeps sums of residuals in float32, and
# we in bfloat16; so two roundings, each of 2^-8, are always allowed.
_TWICE, _FLOOR = 2.0, 2**-7
_REPLICAS = 1e-4
_TO_MEASURE = 25.0  # seconds of a part that are kept for what is prepared
_BEGIN = 0.2  # of the loss of guessing; a discriminator's first answers are not exactly a half


@dataclass(frozen=True)
class Part:
    """Something that is measured.

    Attributes:
      name: In the results; `--parts` takes it or its beginning.
      seconds: The most it may take.
      least: With fewer seconds left it is not begun.
      run: Measures.
    """

    name: str
    seconds: float
    least: float
    run: Callable[[Bench, dict[str, Found]], Found]


def parts_of(sizes: tuple[Size, ...], count: int) -> list[Part]:
    """All of them in the order of their worth.

    Args:
      sizes: What is trained.
      count: The first sizes, so many, are also profiled and run as commands.
    """
    main, rest = sizes[:count], sizes[count:]
    return [
        Part("environment", 90, 20, environment),
        Part("golden", 150, 30, golden),
        Part("equal-replicas", 150, 30, equal_replicas),
        Part("equal-runs", 180, 40, equal_runs),
        *(Part(f"speed-{size.name}", 180, 45, partial(speed, size)) for size in main),
        *(Part(f"profile-{size.name}", 90, 20, partial(profile, size)) for size in main[::-1]),
        *(Part(f"command-{size.name}", 120, 40, partial(command, size)) for size in main),
        Part("input", 60, 15, partial(pipeline, main)),
        *(Part(f"speed-{size.name}", 150, 60, partial(speed, size)) for size in rest),
    ]


def environment(bench: Bench, done: dict[str, Found]) -> Found:
    """Card, driver, versions, libraries and the rates that others are measured by."""
    found: Found = {"card": card(_OF_CARD)}
    size = bench.effort.product
    found["ours"] = bench.ours.ask("environment", bench.left, size=size)
    found["theirs"] = _or_error(lambda: bench.theirs.ask("environment", bench.left, size=size))
    return found


def _or_error(ask: Callable[[], Any]) -> Found:
    """What PyTorch's side answers, or why it does not; what we have found is kept either way."""
    try:
        return dict(ask())
    except WorkerError as error:
        return error.record


def card(query: str) -> str | None:
    """What nvidia-smi says of all cards, a line of names and then a line each; None: nothing."""
    try:
        ran = subprocess.run(
            ["nvidia-smi", f"--query-gpu={query}", "--format=csv"],
            capture_output=True,
            text=True,
            timeout=20,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return ran.stdout.strip()


def golden(bench: Bench, done: dict[str, Found]) -> Found:
    """Recorded values: ours, and PyTorch's with the same weights.

    Without PyTorch's nothing says how near bfloat16 has to be, and float32 alone decides.
    """
    found: Found = {"cases": {}, "ok": True}
    for case in bench.effort.golden:
        folder = bench.scratch / case
        folder.mkdir(exist_ok=True)
        ours = bench.ours.ask("golden", bench.left, case=case, folder=str(folder))
        given = {"job": ours.pop("job"), "folder": str(folder)}
        theirs = _or_error(partial(bench.theirs.ask, "golden", bench.left, **given))
        exact = max(ours["float32"].values())
        near = {
            name: ours["bfloat16"][name] <= max(_FLOOR, _TWICE * error)
            for name, error in theirs.get("bfloat16", {}).items()
        }
        ok = exact <= _FLOAT32 and all(near.values())
        found["cases"][case] = {"ok": ok, "ours": ours, "theirs": theirs}
        found["ok"] = found["ok"] and ok
    for size in bench.ahead:
        bench.prepare_theirs(size)
    return found


def equal_replicas(bench: Bench, done: dict[str, Found]) -> Found:
    """One device and two virtual ones."""
    worker = bench.worker("replicas")
    try:
        found = worker.ask(
            "compare",
            bench.left,
            job=job_of(EQUAL.config),
            data=str(bench.data(EQUAL.length)),
            steps=3,
        )
    finally:
        worker.end()
    return {"ok": max(found["losses"], found["weights"]) <= _REPLICAS, **found}


def equal_runs(bench: Bench, done: dict[str, Found]) -> Found:
    """The same run twice, and once killed and resumed; all at the same time."""
    steps, every = 24, 4
    options = ["--device", bench.device, "--stop-at-step", str(steps)]
    options += ["--set", f"train.checkpoint_every={every}", "--set", "train.evaluate_every=1000"]

    def start(name: str) -> Command:
        run = bench.scratch / f"equal-{name}"
        data = bench.data(EQUAL.length)
        return Command(EQUAL, data=data, run=run, options=options, log=bench.log)

    shutil.rmtree(bench.scratch / "equal-killed", ignore_errors=True)
    killed, *others = commands = [start(name) for name in ("killed", "first", "second")]
    try:
        alive = killed.kill_after_checkpoint(every, bench.left)
        commands.append(resumed := start("killed"))
        results = [command.result(bench.left) for command in (*others, resumed)]
    finally:
        for one in commands:
            one.end()
    states = [result["state_sha256"] for result in results]
    began = results[-1]["start_step"]
    return {
        "ok": len(set(states)) == 1 and alive and 0 < began < steps,
        "state_sha256": states,
        "steps": steps,
        "resumed_at": began,
        "losses": results[0]["losses"],
    }


def speed(size: Size, bench: Bench, done: dict[str, Found]) -> Found:
    """Ours and theirs, one window after the other, over a batch that lies on the device.

    A side that runs out of memory beside the other is measured alone, in a process that has begun
    anew. An error of PyTorch's side leaves what we have found.
    """
    found: Found = {"size": size.name, "ratio": None}
    bench.prepare_theirs(size)
    busy = bench.theirs.is_busy
    try:
        found["ours"] = bench.prepare_ours(size)
    except WorkerError as error:
        if not error.memory:
            raise
        bench.theirs.end()
        found["ours"] = bench.prepare_ours(size)
    found["ours"]["beside_compilation_of_theirs"] = busy
    found["theirs"] = _prepared_theirs(size, bench)
    _measure(size, bench, found, ["ours", "theirs"])
    found["at_once"] = "error" not in found["theirs"]
    if found["theirs"].get("memory"):
        bench.ours.end()  # TensorFlow gives nothing back
        found["theirs"] = _prepared_theirs(size, bench)
        _measure(size, bench, found, ["theirs"])
    flops = size.batch * size.length * found["ours"]["flops_per_token"]
    for side in (found["ours"], found["theirs"]):
        if "step_seconds" in side:
            seconds = statistics.median(side["step_seconds"])
            side |= {
                "sequences_per_second": size.batch / seconds,
                "flops": flops / seconds,
                "peak_share": _share(flops / seconds, done),
            }
    ours, theirs = found["ours"], found["theirs"]
    if "step_seconds" in theirs:
        pairs = [b / a for a, b in zip(ours["step_seconds"], theirs["step_seconds"], strict=True)]
        found["ratio"] = {"min": min(pairs), "median": statistics.median(pairs), "max": max(pairs)}
        found["parameters_differ"] = theirs["parameters"] / ours["parameters"] - 1.0
    return found


def _prepared_theirs(size: Size, bench: Bench) -> Found:
    """Waits for PyTorch's side to be prepared."""
    question = bench.prepare_theirs(size)
    return _or_error(lambda: bench.theirs.receive(question, bench.left - _TO_MEASURE))


def _measure(size: Size, bench: Bench, found: Found, names: list[str]) -> None:
    """Adds the seconds of steps to what is known of sides; their windows alternate."""
    steps = dict.fromkeys(names, 2)
    for window in range(1 + bench.effort.rounds):  # the first tells how many steps the others have
        for name in names:
            side = found[name]
            if "error" in side:
                continue
            worker: Worker = getattr(bench, name)
            try:
                if window == 0:
                    _check_begin(name, side, size)
                ran = worker.ask("run", bench.left, name=size.name, steps=steps[name])
            except WorkerError as error:
                if name == "ours":
                    raise
                found[name] = error.record
                continue
            seconds = ran["seconds"] / steps[name]
            if window == 0:
                wanted = math.ceil(bench.effort.window / seconds)
                steps[name] = max(1, min(bench.effort.most_steps, wanted))
            else:
                side.setdefault("step_seconds", []).append(seconds)
                side |= {key: ran[key] for key in ("loss", "memory_bytes")}


def _check_begin(name: str, side: Found, size: Size) -> None:
    """Both sides have to do the same work: two networks that guess."""
    config = size.config
    vocabulary = math.log(config.model.vocab_size)
    guess = vocabulary + config.objective.disc_weight * math.log(2)
    if not abs(side["early_loss"] - guess) <= _BEGIN * guess:
        raise WorkerError(f"{name} begins at a loss of {side['early_loss']}, not {guess:.2f}")


def _share(flops: float, done: dict[str, Found]) -> float | None:
    """Of the best product that either side has measured."""
    rates = done.get("environment", {})
    sides = [rates.get(side, {}) for side in ("ours", "theirs")]
    known = [side["matmul_flops"]["bfloat16"] for side in sides if "matmul_flops" in side]
    return flops / max(known) if known else None


def profile(size: Size, bench: Bench, done: dict[str, Found]) -> Found:
    """The kernels of some steps."""
    if not bench.ours.is_running or not bench.ours.ask("holds", bench.left, name=size.name):
        bench.prepare_ours(size)
    return dict(bench.ours.ask("profile", bench.left, name=size.name, steps=3))


def command(size: Size, bench: Bench, done: dict[str, Found]) -> Found:
    """`electra pretrain` as users have it, reading its rows."""
    held = done.get(f"speed-{size.name}", {}).get("ours", {}).get("sequences_per_second")
    steps = math.ceil(bench.effort.command_seconds * (held or 0.0) / size.batch)
    steps = max(20, min(4000, steps))
    run = bench.scratch / f"command-{size.name}"
    options = ["--device", bench.device, "--stop-at-step", str(steps)]
    options += ["--precision", bench.precision, "--set", f"train.log_every={max(1, steps // 4)}"]
    options += ["--set", "train.checkpoint_every=100000", "--set", "train.evaluate_every=100000"]
    data = bench.data(size.length)
    started = Command(size, data=data, run=run, options=options, log=bench.log)
    try:
        result = started.result(bench.left)
    finally:
        started.end()
    found = {key: result[key] for key in _OF_COMMAND}
    rate = result["sequences_per_second"]
    flops = rate * size.length * result["flops_per_token"]
    return found | {
        "size": size.name,
        "peak_share": _share(flops, done),
        "waiting_share": max(0.0, 1.0 - rate / held) if held else None,
    }


def pipeline(sizes: tuple[Size, ...], bench: Bench, done: dict[str, Found]) -> Found:
    """Rows a second without a model, beside those that the step takes."""
    found: Found = {}
    for size in sizes:
        rates = bench.ours.ask(
            "pipeline",
            bench.left,
            data=str(bench.data(size.length)),
            batch=size.batch,
            seconds=bench.effort.window,
        )
        taken = done.get(f"speed-{size.name}", {}).get("ours", {}).get("sequences_per_second")
        found[size.name] = {
            "rows_per_second": rates,
            "step_takes": taken,
            "waiting_share": done.get(f"command-{size.name}", {}).get("waiting_share"),
        }
    return found
