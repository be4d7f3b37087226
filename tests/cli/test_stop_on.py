"""A run in which something is found: what is told, written and printed, and `--stop-on`."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, cast

import pytest

from electra_cli.cli import options as options_of
from electra_cli.config.load import diff_configs, read_config
from electra_cli.corpus.shards.manifest import read_manifest
from electra_cli.errors import ConfigError
from electra_cli.health import FINDINGS
from electra_cli.health.facts import Facts
from electra_cli.health.rule import Line, Rule, Sign
from electra_cli.runs.run_folder import Checkpoint
from electra_cli.training.loop.health import Health, check_names, check_possible
from electra_cli.training.plan.plans import RunPlan
from tests.conftest import Electra
from tests.health.histories import TINY
from tests.report.made_run import finished, made_run
from tests.training.runs import before_tensorflow, options, steps_of


class Middle(Rule):
    """A finding of the steps 4 to 8."""

    name = "middle"
    title = "This is the middle"
    meaning = "It is neither the beginning nor the end."
    advice = "wait"
    begins_after: ClassVar = 2
    ends_after: ClassVar = 2

    def see(self, line: Line) -> Sign:
        return Sign("wrong" if 4 <= line["step"] <= 8 else "fine", f"step {line['step']}")


FOUND = {
    "name": "middle",
    "title": Middle.title,
    "since": 4,
    "until": 10,
    "evidence": "step 6",
    "meaning": Middle.meaning,
    "advice": Middle.advice,
}


def lines_about(run: Path, kind: str) -> list[dict[str, Any]]:
    lines = map(json.loads, (run / "metrics.jsonl").read_text().splitlines())
    return [line for line in lines if line["kind"] == kind]


@pytest.mark.slow
def test_a_run_that_stops_on_a_finding(
    electra: Electra, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("electra_cli.health.monitor.RULES", (Middle,))
    monkeypatch.setattr("electra_cli.training.loop.health.FINDINGS", {"middle": Middle.title})
    run = tmp_path / "run"
    command = options(data, run, "--set", "train.evaluate_every=12")
    words = ("step 6", "middle", Middle.title, "since step 4", "ckpt-6", "--stop-on middle")
    stopped = electra(*command, "--stop-on", "middle")
    stopped.failed(70, *words, f"{run / 'report.html'} explains the run")
    holds = {**FOUND, "until": None}
    assert stopped.json["error"]["findings"] == [holds]
    assert Middle.title in (run / "report.html").read_text()
    assert f"finding: {Middle.title}" in " ".join(stopped.stderr.split())
    assert steps_of(run) == [0, 4, 6]
    assert not (run / "result.json").exists()

    before = (run / "metrics.jsonl").read_bytes()
    with before_tensorflow(monkeypatch):
        again = electra(*command, "--stop-on", "middle")
    again.failed(70, *words)
    assert again.json["error"]["findings"] == [holds]
    assert (run / "metrics.jsonl").read_bytes() == before

    went_on = electra(*command)
    assert went_on.code == 0, went_on.stderr
    assert went_on.json["findings"] == [FOUND]
    goodput = went_on.json["goodput"]
    assert (goodput["restarts"], goodput["lost_steps"]) == (1, 0)
    assert f"goodput {goodput['goodput']:.2%}: 1 restart, 0 steps lost" in went_on.stderr
    assert json.loads((run / "result.json").read_text())["findings"] == [FOUND]
    assert went_on.stderr.count(Middle.title) == 2  # it still holds, and then no longer
    found = [
        (line["step"], line["state"], line["evidence"]) for line in lines_about(run, "finding")
    ]
    assert found == [(6, "begins", "step 6"), (12, "ends", "step 12")]
    assert [line["step"] for line in lines_about(run, "start")] == [0, 6]
    reasons = [line["reason"] for line in lines_about(run, "end")]
    assert reasons[0].startswith("stopped at step 6 on middle")
    assert reasons[1:] == ["finished"]


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("discriminator-constnat", "--stop-on discriminator-constant?"),
        ("Loss_Spike", "--stop-on loss-spike?"),
        ("x", "overfitting"),
    ],
)
def test_a_finding_that_there_is_not(name: str, hint: str) -> None:
    with pytest.raises(ConfigError) as error:
        check_names([name])
    assert name in error.value.message
    assert hint in error.value.hint


def test_every_finding_may_end_a_run() -> None:
    check_names(list(FINDINGS))
    assert options_of.findings("") == list(FINDINGS)
    assert options_of.findings("loss") == ["loss-spike"]


@pytest.mark.parametrize(
    ("name", "facts", "word"),
    [
        ("discriminator-constant", replace(TINY, has_discriminator=False), "objective mlm"),
        ("unigram-plateau", replace(TINY, unigram_loss=None), "frequencies"),
    ],
)
def test_a_finding_that_can_never_come(name: str, facts: Facts, word: str) -> None:
    with pytest.raises(ConfigError) as error:
        check_possible([name], facts)
    assert word in error.value.message
    assert error.value.hint == f"leave out --stop-on {name}"
    check_possible(["loss-spike", "warmup-too-long"], facts)


def test_data_that_is_not_known_yet_may_have_all(
    electra: Electra, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A look ahead refuses what a run would refuse, before TensorFlow starts."""
    command = ["pretrain", "--preset=small", "--device=cpu", "--dry-run", "--json"]
    command += ["--model-dir", tmp_path / "run", "--stop-on", "discriminator-constant"]
    unknown = replace(TINY, examples=None, validation_examples=None, unigram_loss=None)
    check_possible(["unigram-plateau", "overfitting", "discriminator-constant"], unknown)
    with before_tensorflow(monkeypatch):
        electra(*command, "--set", "objective.name=mlm").failed(2, "can never have that finding")


def test_a_finished_run_refuses_it_too(
    electra: Electra, data: Path, trained: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Facts, "of", lambda *_: replace(TINY, has_discriminator=False))
    command = options(data, trained, "--stop-on", "discriminator-constant")
    with before_tensorflow(monkeypatch):
        electra(*command).failed(2, "can never have that finding")


def test_settings_that_this_start_changes(tmp_path: Path) -> None:
    """They hold from here on, although nothing of it is recorded yet."""
    run = made_run(tmp_path / "run", finished(300), settings=["train.seed=1"])
    old = read_config(run.config)
    recorded = {"step": 100, "changed": {"train.seed": [0, 1]}}
    run.changes.write_text(json.dumps(recorded) + "\n")
    new = old.replaced({"optimizer.warmup_steps": 900})
    checkpoint = Checkpoint(run, run.checkpoints / "ckpt-300" / "state", 300)
    plan = RunPlan(
        new, cast(Any, None), run, 1000, read_manifest(run.data), None,
        tuple(diff_configs(old, new)), resume=checkpoint,
    )  # fmt: skip
    (found,) = Health.of(plan).monitor.findings
    assert (found.name, found.since) == ("warmup-too-long", 300)
