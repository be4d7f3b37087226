"""Command lines that do what a run has done."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest

from electra_cli.config.load import Override, load_config, parse_set
from electra_cli.config.values import number_in
from electra_cli.report.record import read_record
from electra_cli.runs.run_folder import RunFolder
from tests.report.made_run import OLD_RUN, made_run, train

OPTIONS = {
    "--steps": "train.steps",
    "--batch-size": "train.batch_size",
    "--seed": "train.seed",
    "--learning-rate": "optimizer.learning_rate",
    "--device": "runtime.device",
    "--precision": "runtime.precision",
}


def test_the_same_configuration_comes_of_it(tmp_path: Path) -> None:
    values = (
        "train.keep_every=7", "train.best_metric='12'", "optimizer.epsilon=1e-09", "train.seed=5",
        "runtime.xla=true", "runtime.device=cpu:2", "optimizer.learning_rate=0.00012",
        "data.sequence_length=16", "objective.masking=span", "runtime.precision=bfloat16",
    )  # fmt: skip
    settings = [*values, "data.path=my data"]
    run = made_run(tmp_path / "a run", [train(1000, 1.0)], settings=settings)
    _, prepare, pretrain = map(shlex.split, read_record(run).commands)
    assert prepare[:3] == ["electra", "prepare-data", "INPUT"]
    assert prepare[-2:] == ["--output", "my data"]
    assert pretrain[:4] == ["electra", "pretrain", "--preset", "tiny"]
    given = dict.fromkeys(OPTIONS, "")
    overrides = []
    for option, value in zip(pretrain[4::2], pretrain[5::2], strict=True):
        if option == "--set":
            overrides.append(parse_set(value))
        elif option in OPTIONS:
            typed = number_in(value) if option not in ("--device", "--precision") else value
            overrides.append(Override(OPTIONS[option], typed, option))
        given[option] = value
    assert (given["--data"], given["--model-dir"]) == ("my data", f"{run.path}-again")
    config = load_config(preset="tiny", environment={}, overrides=overrides).config
    data = {"data.path": "my data", "model.vocab_size": 83}
    assert config.replaced(data) == read_record(run).config
    assert "--stop-at-step" not in pretrain


@pytest.mark.parametrize(
    ("settings", "expected", "missing"),
    [
        (["data.path=/cache/demo-12ab/prepared"], "--preset tiny --model-dir", "--data"),
        (["data.path=null"], "--preset tiny --model-dir", "prepare-data"),
        (["data.path=d", "train.steps=2000"], "--stop-at-step 1000", "--init-from"),
    ],
    ids=["demo", "no data", "stopped"],
)
def test_what_is_typed(tmp_path: Path, settings: list[str], expected: str, missing: str) -> None:
    run = made_run(tmp_path / "run", [train(1000, 1.0)], settings=settings)
    text = "\n".join(read_record(run).commands)
    assert expected in text
    assert missing not in text


def test_a_preset_that_was_a_file_is_the_run_itself(tmp_path: Path) -> None:
    run = made_run(tmp_path / "run")
    run.config.write_text(run.config.read_text().replace("preset: tiny", "preset: mine"))
    pretrain = read_record(run).commands[-1]
    assert f"--config {run.config}" in pretrain
    assert "--set" not in pretrain


def test_first_weights_and_bindings(tmp_path: Path) -> None:
    run = made_run(tmp_path / "run")
    missing = ["generator/layer_0/kernel", "generator_predictions/bias"]
    run.init.write_text(json.dumps({"path": "/models/a b", "missing": missing}))
    run.bindings.write_text("a.b = 1")
    pretrain = read_record(run).commands[-1]
    assert "--init-from '/models/a b' --init-allow-missing generator --gin-file" in pretrain


def test_a_frozen_generator_is_that_of_the_checkpoint(tmp_path: Path) -> None:
    """The run that was named may have gone on."""
    settings = ("generator.sharing=none", "generator.frozen=/runs/a")
    run = made_run(tmp_path / "run", settings=settings)
    assert "--set generator.frozen=/runs/a " in read_record(run).commands[-1]
    run.frozen.write_text(json.dumps({"path": "/runs/a/checkpoints/ckpt-3"}))
    pretrain = read_record(run).commands[-1]
    assert "--set generator.frozen=/runs/a/checkpoints/ckpt-3 " in pretrain


def test_data_of_an_older_run() -> None:
    words, prepare, _ = read_record(RunFolder(OLD_RUN)).commands
    assert words.startswith("# INPUT stands for the text that it was trained on: ")
    assert f"--vocab {OLD_RUN}/data/vocab.txt --lowercase --strip-accents" in prepare
    assert "--sequence-length 16 --packing reference --seed 0 --validation-fraction" in prepare


RATE, WARMUP = "optimizer.learning_rate", "optimizer.warmup_steps"
NOTE = "# From step {} on it went on with another configuration:"


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ([], ["--learning-rate 0.0003"]),
        ([(40, {RATE: [0.0001, 0.0003]})],
         ["--learning-rate 0.0001 | --stop-at-step 40", NOTE.format(40),
          f"--learning-rate 0.0003 | --allow-config-change {RATE}"]),
        ([(40, {RATE: [0.0001, 0.0005], WARMUP: [7, 10]}), (60, {RATE: [0.0005, 0.0003]})],
         [f"--learning-rate 0.0001 --set {WARMUP}=7 | --stop-at-step 40", NOTE.format(40),
          f"--learning-rate 0.0005 | --allow-config-change {RATE} --allow-config-change {WARMUP} "
          "--stop-at-step 60", NOTE.format(60),
          f"--learning-rate 0.0003 | --allow-config-change {RATE}"]),
        # It was taken back to an earlier checkpoint, and the first change went with it.
        ([(60, {RATE: [0.0001, 0.0005]}), (40, {RATE: [0.0005, 0.0003]})],
         ["--learning-rate 0.0001 | --stop-at-step 40", NOTE.format(40),
          f"--learning-rate 0.0003 | --allow-config-change {RATE}"]),
        # Nothing was learned with one of both.
        ([(0, {RATE: [0.0001, 0.0003]})], ["--learning-rate 0.0003"]),
        ([(1000, {RATE: [0.0001, 0.0003]})], ["--learning-rate 0.0001"]),
        # What decides nothing of what is learned; a key and a value that nobody knows.
        ([(40, {"train.log_every": [7, 10]})], ["--learning-rate 0.0003"]),
        ([(40, {"gone.key": [7, 10]})], ["--learning-rate 0.0003"]),
        ([(40, {RATE: ["x", 0.0003]})], ["--learning-rate 0.0003"]),
    ],
)  # fmt: skip
def test_a_run_whose_configuration_was_changed(
    tmp_path: Path, changes: list[tuple[int, dict[str, list[object]]]], expected: list[str]
) -> None:
    """What is before the bar is set, and what is behind it ends the command."""
    run = made_run(tmp_path / "run", [train(1000, 1.0)], settings=[f"{RATE}=0.0003"])
    lines = [json.dumps({"step": step, "changed": changed}) for step, changed in changes]
    run.changes.write_text("\n".join(lines))
    record = read_record(run)
    shown = [line for line in record.commands if "prepare-data" not in line and "INPUT" not in line]
    assert len(shown) == len(expected)
    for line, parts in zip(shown, expected, strict=True):
        settings, _, ends = parts.partition(" | ")
        assert all(f" {part}" in f" {line}" for part in settings.split(" --set "))
        assert line.endswith(ends)
        assert ends or "--stop-at-step" not in line
