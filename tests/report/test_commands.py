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
    prepare, pretrain = map(shlex.split, read_record(run).commands)
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


def test_data_of_an_older_run() -> None:
    prepare = read_record(RunFolder(OLD_RUN)).commands[0]
    assert f"--vocab {OLD_RUN}/data/vocab.txt --lowercase --strip-accents" in prepare
    assert "--sequence-length 16 --packing reference --seed 0 --validation-fraction" in prepare
