"""Workers that train together, in processes of their own and with real signals.

Its last test is the short version of `make chaos` for several workers too.
"""

from __future__ import annotations

import json
import math
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from electra_cli.runs.commit import read_commit
from tests.chaos.blows import EVALUATE_EVERY, SUPERVISOR, Blow
from tests.chaos.clusters import Plan, Trials
from tests.conftest import Electra
from tests.prepared import prepare
from tests.training.runs import copied, error_of, metric_lines, options, steps_of, wait_for
from tests.training.workers import ends, workers

pytestmark = pytest.mark.slow

STEPS = 20
# A sample of the generator may turn out otherwise where numbers are rounded in another order, which
# is rare; with few of them it is rarer. In training, weights that are compared to 1e-6 would tell.
SETTINGS = (
    "train.batch_size=12",
    "train.accumulation_steps=2",
    "objective.mask_probability=0.05",
    "model.hidden_dropout=0.1",
    "model.attention_dropout=0.1",
    "optimizer.ema_decay=0.9",
    "train.best_metric=masked_lm_loss",
    f"train.evaluate_every={EVALUATE_EVERY}",
    "train.keep_checkpoints=9",
)


def command(data: Path, run: Path, *more: str) -> list[str]:
    values = [part for value in SETTINGS for part in ("--set", value)]
    return options(data, run, *values, *more, steps=STEPS)


def state(run: Path, step: int = STEPS) -> dict[str, np.ndarray]:
    reader = tf.train.load_checkpoint(str(run / "checkpoints" / f"ckpt-{step}" / "state"))
    names = [name for name in reader.get_variable_to_shape_map() if "OBJECT_GRAPH" not in name]
    return {name: reader.get_tensor(name) for name in names}


def sha256(run: Path, step: int = STEPS) -> str:
    return read_commit(run / "checkpoints" / f"ckpt-{step}").state_sha256


def lines_of(run: Path) -> dict[str, dict[int, dict[str, object]]]:
    return {kind: metric_lines(run, kind) for kind in ("train", "validation")}


def assert_alike(run: Path, other: Path) -> None:
    """The same state up to the order in which numbers are rounded."""
    found, expected = state(run), state(other)
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], value, atol=1e-6, rtol=0, err_msg=name)


def assert_alike_lines(run: Path, other: Path) -> None:
    for kind, lines in lines_of(other).items():
        assert lines_of(run)[kind].keys() == lines.keys()
        for step, line in lines.items():
            assert_alike_numbers(lines_of(run)[kind][step], line)


def assert_alike_numbers(found: dict[str, object], expected: dict[str, object]) -> None:
    """What does not depend on a sample to 1e-5, the rest as far as one other sample moves it.

    One of about 50 replaced tokens in an evaluation is 2% of a recall.
    """
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        if name == "kind":
            continue
        sampled = name == "total_loss" or name.startswith(("disc_", "replaced_", "sampled_"))
        assert (math.nan if found[name] is None else found[name]) == pytest.approx(
            math.nan if value is None else value, rel=0.03 if sampled else 1e-5, nan_ok=True
        ), name


def train(number: int, arguments: list[str]) -> list[dict[str, Any]]:
    """Trains at so many workers; the object that each has printed."""
    with workers(*[arguments] * number) as started:
        found = ends(started)
    assert [code for code, _, _ in found] == [0] * number, found
    return [json.loads(out) for _, out, _ in found]


@pytest.fixture(scope="module")
def other_data(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same text in rows of the same length, with fewer word pieces."""
    folder = tmp_path_factory.mktemp("other") / "data"
    prepare(
        inputs=corpus,
        output=folder,
        vocab_size=500,
        sequence_length=32,
        workers=1,
        validation_fraction=0.1,
        seed=0,
    )
    return folder


@pytest.mark.parametrize(
    ("options_of_second", "code", "words"),
    [
        (["--seed", "1"], 2, "configuration.train.seed is 0 and 1"),
        (["--data", "OTHER"], 65, "vocabulary.tokens is "),
        (["--data", "nowhere"], 66, "nowhere"),
        (["--device", "cpu:2"], 2, "'cpu:2' in a cluster"),
    ],
)
def test_workers_that_are_about_to_do_something_else(
    data: Path, other_data: Path, tmp_path: Path,
    options_of_second: list[str], code: int, words: str,
) -> None:  # fmt: skip
    """The same error at both, and nothing is begun."""
    run = tmp_path / "run"
    more = [str(other_data) if part == "OTHER" else part for part in options_of_second]
    with workers(command(data, run), command(data, run, *more)) as started:
        found = ends(started)
    for found_code, out, err in found:
        assert (found_code, words in str(error_of(out)["message"])) == (code, True), (out, err)
    assert "worker 1 (127.0.0.1:" in str(error_of(found[0][1])["message"])
    assert found[1][2].startswith("worker 1: error: ")
    assert not run.exists()


@pytest.fixture(scope="module")
def whole(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of two workers that nothing has stopped."""
    run = tmp_path_factory.mktemp("cluster") / "run"
    first, second = train(2, command(data, run))
    assert first == second == json.loads((run / "result.json").read_text())
    assert (first["workers"], first["replicas"], first["final_step"]) == (2, 2, STEPS)
    assert first["state_sha256"] == sha256(run)
    assert not list(run.glob("worker-*"))
    return run


def test_three_workers(data: Path, tmp_path: Path, whole: Path) -> None:
    """Come to what two come to, which the next test compares with a single process."""
    run = tmp_path / "run"
    assert train(3, command(data, run))[2]["replicas"] == 3
    assert_alike(run, whole)
    assert_alike_lines(run, whole)


def test_another_number_of_workers_goes_on(
    electra: Electra, data: Path, tmp_path: Path, whole: Path
) -> None:
    """One worker here, with two replicas."""
    run = copied(whole, tmp_path / "run", newest=4)
    found = electra(*command(data, run, "--device", "cpu:2")).json
    assert (found["start_step"], found["workers"]) == (4, 1)
    assert_alike(run, whole)
    expected = json.loads((whole / "result.json").read_text())["evaluation"]
    assert_alike_numbers(found["evaluation"], expected)
    starts = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    told = [(one["workers"], one["replicas"]) for one in starts if one["kind"] == "start"]
    assert told == [(2, 2), (1, 2)]


def test_stopped_killed_and_gone_on(data: Path, tmp_path: Path, whole: Path) -> None:
    trials = Trials(lambda run: command(data, run), tmp_path, undisturbed=whole)
    run = trials.folder
    arguments = command(data, run)
    with workers(arguments, arguments) as started:
        wait_for(lambda: bool(metric_lines(run, "train")), started[0])
        started[1].send_signal(signal.SIGTERM)
        stopped = ends(started)
    assert [code for code, _, _ in stopped] == [143, 143]
    messages = {str(error_of(out)["message"]) for _, out, _ in stopped}
    step = steps_of(run)[-1]
    assert "stopped by SIGTERM to worker 1 (127.0.0.1:" in messages.pop()
    assert not messages
    assert 0 < step < STEPS

    blow = Blow("SIGKILL", signal.SIGKILL, SUPERVISOR)
    # The line of that step is written while its checkpoint is, and then the step is evaluated.
    trials.meet(Plan(blow, victim=0, moment="in an evaluation", delay=0.0))
    assert trials.counts.over == 0
    trials.compare()
    assert trials.counts.compared == 1
