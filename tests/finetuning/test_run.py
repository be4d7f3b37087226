"""A run is the same wherever it was stopped, and whatever the same graph has trained before.

One workbench stands for many processes here: all of its state is replaced when a run begins.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from official.modeling import performance

from electra_cli.config.finetune import FinetuneConfig
from electra_cli.config.load import Override, load_config
from electra_cli.finetuning.columns import Weights, encoder_weights
from electra_cli.finetuning.plan import FinetunePlan, choose_files, plan_finetune
from electra_cli.finetuning.result import SeedResult
from electra_cli.finetuning.run import (
    Bench,
    identity_of,
    inputs_of,
    outlook_of_plan,
    train_run,
)
from electra_cli.finetuning.workbench import Workbench
from electra_cli.sources.open import open_source
from electra_cli.training.devices.strategy import build_strategy
from electra_cli.training.loop.signals import RunStoppedError, StopRequestedError, StopSignals
from electra_cli.training.loop.watchdog import Watchdog
from tests.finetuning.made_data import write_files
from tests.training.runs import metric_lines

pytestmark = pytest.mark.slow


class StopAt(StopSignals):
    """Stops a run at a check, counted from 1; 0 for never."""

    def __init__(self, at: int) -> None:
        super().__init__()
        self.checks, self._at = 0, at

    def check(self) -> None:
        self.checks += 1
        if self.checks == self._at:
            self.received = 15
            raise StopRequestedError


class Silent:
    """Hears what happens, and fails at a warning."""

    def __getattr__(self, name: str) -> Any:
        return lambda *args, **kwargs: None

    def warn(self, text: str) -> None:
        pytest.fail(text)


def make_plan(source: Path, folder: Path, *, dropout: float, **values: Any) -> FinetunePlan:
    """A classification of random and pretrained weights, and of a frozen encoder."""
    recipe = {
        "task.max_length": 32, "train.batch_size": 8, "optimizer.learning_rate": 3e-3,
        "train.log_every": 1, "train.checkpoint_every": 2, "train.epochs": 1,
        "runtime.device": "cpu",
    }  # fmt: skip
    given = [Override(key, value, "a test") for key, value in (recipe | values).items()]
    config = load_config(
        FinetuneConfig, preset="classification", environment={}, overrides=given
    ).config
    item = open_source(source, scratch=folder, needs_head=False)
    sizes = {"model.hidden_dropout": dropout, "model.attention_dropout": dropout}
    item = replace(item, config=item.config.replaced(sizes))
    written = write_files(folder / "data", "classification")
    files = choose_files(config, data=None, train=written.train, dev=[written.dev])
    return plan_finetune(
        config, item, source=source, files=files, output=folder / "out", random=True, probe=True
    )


def make_bench(plan: FinetunePlan, lanes: int = 1) -> Bench:
    strategy = build_strategy(plan.device)
    outlook = outlook_of_plan(plan, strategy)
    workbench = Workbench(plan.config, plan.data, plan.architecture, strategy, outlook, lanes)
    return Bench(plan, workbench, identity_of(plan, inputs_of(plan, {})))


@cache
def load(source: Path) -> Weights:
    """The weights of the encoder, read once."""
    return encoder_weights(open_source(source, scratch=source, needs_head=False))


@dataclass(frozen=True)
class Place:
    """A workbench, and a folder that no run has been written to."""

    bench: Bench
    folder: Path

    def train(self, name: str, seed: int, stop_at: int = 0) -> tuple[SeedResult, int]:
        """Trains a column with a seed in this place; also how often the run could have stopped."""
        plan = self.bench.plan
        column = next(column for column in plan.columns if column.name == name)
        here = replace(plan, folder=replace(plan.folder, path=self.folder))
        signals = StopAt(stop_at)
        result = train_run(
            replace(self.bench, plan=here),
            column,
            seed,
            None if column.source is None else load(plan.source),
            listener=Silent(),
            signals=signals,
            watchdog=Watchdog(0, pytest.fail),
        )
        return replace(result, loss=None, sequences_per_second=0.0), signals.checks


# Precision, device, micro-batches and lanes; a plain run is stopped in test_stops.py.
COMBINATIONS = [
    ("float16", "cpu:2", 2, 1),
    ("bfloat16", "cpu", 1, 2),
]


@pytest.fixture(params=COMBINATIONS, ids=lambda values: "-".join(map(str, values)))
def bench(request: pytest.FixtureRequest, trained: Path, tmp_path: Path) -> Iterator[Bench]:
    precision, device, parts, lanes = request.param
    values = {
        "runtime.precision": precision,
        "runtime.device": device,
        "train.accumulation_steps": parts,
    }
    yield make_bench(make_plan(trained, tmp_path, dropout=0.1, **values), lanes)
    performance.set_mixed_precision_policy("float32")


def test_nothing_of_one_run_is_left_in_another(bench: Bench, tmp_path: Path) -> None:
    """In one test, so that no two processes build the same graphs."""
    first, checks = Place(bench, tmp_path / "a").train("step-12", 1)
    others = [("step-12", 0), ("random", 1), ("probe-step-12", 1), ("probe-step-12", 0)]
    found = {job: Place(bench, tmp_path / "b").train(*job)[0] for job in others}
    hashes = {result.state_sha256 for result in (first, *found.values())}
    assert len(hashes) == len(others) + 1
    place = Place(bench, tmp_path / "c")
    assert place.train("probe-step-12", 0)[0] == found["probe-step-12", 0]
    assert place.train("random", 1)[0] == found["random", 1]
    assert place.train("step-12", 1)[0] == first

    # Stopped once, also in the evaluation, or again and again; another is trained in between.
    chosen = random.Random(0)
    chains = [[1], [checks], [chosen.randint(2, 4) for _ in range(3)]]
    for number, chain in enumerate(chains):
        stopped = Place(bench, tmp_path / f"stopped-{number}")
        for at in chain:
            stop(stopped, "step-12", 1, at)
        stop(stopped, "random", 0, 2)
        assert stopped.train("step-12", 1)[0] == first, chain
        for kind in ("train", "validation"):
            there, here = (
                metric_lines(folder / "step-12" / "seed-1", kind)
                for folder in (tmp_path / "a", stopped.folder)
            )
            assert there == here


def stop(place: Place, name: str, seed: int, at: int) -> None:
    """Lets a run be stopped at a chance, counted from 1."""
    with pytest.raises(RunStoppedError, match=r"stopped by SIGTERM at step \d+; checkpoint"):
        place.train(name, seed, at)


def test_devices_and_micro_batches_change_nothing_but_rounding(
    trained: Path, tmp_path: Path
) -> None:
    """Without dropout, which each replica draws for itself."""
    found = []
    for device, parts, lanes in (("cpu", 1, 1), ("cpu:2", 2, 1), ("cpu", 1, 2)):
        folder = tmp_path / f"{device}-{lanes}"
        values = {"runtime.device": device, "train.accumulation_steps": parts}
        values |= {"runtime.precision": "float32"}
        plan = make_plan(trained, folder, dropout=0.0, **values)
        place = Place(make_bench(plan, lanes), folder / "out")
        result, _ = place.train("step-12", 0)
        model = place.bench.workbench.trainer(frozen=False).model
        found.append((result, {v.name: v.numpy() for v in model.trainable_variables}))
    (first, whole), *others = found
    for result, parts_of in others:
        assert result.metrics == pytest.approx(first.metrics, rel=1e-5)
        for name, value in whole.items():
            np.testing.assert_allclose(parts_of[name], value, atol=2e-5, err_msg=name)
