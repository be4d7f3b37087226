"""`electra config`: what is shown, compared and written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from electra_cli.config.load import load_config
from electra_cli.config.schema import leaf_fields
from electra_cli.config.yaml_core import load_yaml
from electra_cli.files.layout import FINETUNE_FILE
from tests.conftest import Electra
from tests.finetuning.finished import Finished

INIT = ("config", "init", "--corpus-bytes", "50MB", "--hardware", "cpu", "--hours", 24)


def shown(electra: Electra, *arguments: object) -> dict[str, dict[str, Any]]:
    """Value, origin and the preset's value by key."""
    result = electra("config", "show", *arguments, "--json")
    assert result.code == 0, result.stderr
    return {row["key"]: row for row in result.json["values"]}


def test_every_value_has_its_origin(
    electra: Electra, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("preset: small\ntrain:\n  batch_size: 64\n  log_every: 7\n")
    monkeypatch.setenv("ELECTRA_TRAIN__LOG_EVERY", "9")
    rows = shown(electra, "--config", file, "--set", "train.steps=500")
    assert list(rows) == list(leaf_fields())
    assert [(rows[key]["value"], rows[key]["origin"], rows[key]["preset_value"]) for key in (
        "train.steps", "train.log_every", "train.batch_size", "train.seed", "runtime.device",
    )] == [
        (500, "--set", 1_000_000),
        (9, "environment variable ELECTRA_TRAIN__LOG_EVERY", 100),
        (64, str(file), 128),
        (0, "preset small", 0),
        ("auto", "default", "auto"),
    ]  # fmt: skip
    assert shown(electra, file, "--set", "train.steps=500") == rows


def test_a_run_is_shown_as_it_was_recorded(
    electra: Electra, trained: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ELECTRA_TRAIN__STEPS", "77")
    steps = shown(electra, trained)["train.steps"]
    assert (steps["value"], steps["preset_value"]) == (12, 430)
    assert steps["origin"] == str(trained / "config.yaml")
    monkeypatch.delenv("ELECTRA_TRAIN__STEPS")
    table = electra("config", "show", trained).stdout
    assert f"Configuration of run {trained}, preset tiny\n" in table
    assert "│ config.yaml │" in table
    assert "tiny has" in table
    assert "tiny has" not in electra("config", "show", "tiny").stdout


def test_yaml_is_read_back(electra: Electra, trained: Path, tmp_path: Path) -> None:
    again = tmp_path / "again.yaml"
    for name in (trained, "small"):
        again.write_text(electra("config", "show", name, "--yaml", "--set=train.seed=5").stdout)
        compared = electra("config", "diff", again, name, "--json").json["differences"]
        assert [row["key"] for row in compared] == ["train.seed"]


def test_tasks_and_fine_tuned_folders(electra: Electra, classified: Finished) -> None:
    assert shown(electra, "--task", "cola") == shown(electra, "cola")
    assert shown(electra, "cola")["task.metric"]["origin"] == "task cola"
    of_folder = shown(electra, classified.folder)
    assert of_folder["task.kind"]["origin"] == str(classified.folder / FINETUNE_FILE)
    compared = electra("config", "diff", classified.folder, "cola", "--json").json
    assert "task.text" in [row["key"] for row in compared["differences"]]


def test_what_is_shown_is_named(
    electra: Electra, trained: Path, classified: Finished, tmp_path: Path
) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("preset: small\ntrain: {steps: 5}\n")
    folder = classified.folder
    for arguments, kind, title in (
        ([trained], "run", f"run {trained}, preset tiny"),
        ([folder], "fine-tuned", f"fine-tuned folder {folder}, task "),
        ([file], "file", f"file {file}, preset small"),
        (["--config", file], "file", f"file {file}, preset small"),
        (["mrpc"], "task", "task mrpc\n"),
        (["--preset", "small"], "preset", "preset small\n"),
    ):
        table = electra("config", "show", *arguments).stdout
        assert f"Configuration of {title}" in table
        assert ("│ mine.yaml " in table) == (kind == "file")  # whose folder the title has
        told = electra("config", "show", *arguments, "--json").json
        assert (told["name"], told["kind"]) == (str(arguments[-1]), kind)


def test_a_file_that_is_not_there(
    electra: Electra, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for command in (["diff", "small", "mien.yaml"], ["show", "mien.yaml"]):
        missing = electra("config", *command, "--json")
        missing.failed(66, "mien.yaml", "name a .yaml file or a run folder")
        assert "--config" not in missing.json["error"]["hint"]
    Path("mine.yaml").write_text("preset: small\n")
    electra("config", "diff", "small", "mien.yaml", "--json").failed(66, "did you mean mine.yaml?")
    electra("config", "show", "--config", "mien.yaml", "--json").failed(66, "--config FILE.yaml")
    Path("mine.yaml").write_text("preset: smal\n")
    electra("config", "show", "mine.yaml", "--json").failed(2, "did you mean preset: small?")


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["show"], 2, ["config show small"]),
        (["show", "small", "--preset", "base"], 2, ["one configuration"]),
        (["show", "smal"], 2, ["smal is no preset", "did you mean small?"]),
        (["show", "nowhere.yaml"], 66, ["nowhere.yaml"]),
        (["show", "."], 65, ["neither config.yaml nor finetune.yaml"]),
        (["show", "small", "--set", "train.step=5"], 2, ["train.steps"]),
        (["show", "small", "--yaml"], 2, ["--yaml and --json"]),
        (["show", "s3://bucket/run"], 2, ["is a URL"]),
        (["diff", "small"], 2, ["nothing to compare"]),
        (["diff", "small", "cola"], 2, ["small and cola", "different kinds"]),
        (["diff", "small", "gs://bucket/run"], 2, ["is a URL"]),
    ],
)
def test_mistakes(
    electra: Electra, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    arguments: list[str], code: int, words: list[str],
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    electra("config", *arguments, "--json").failed(code, *words)


def test_only_what_differs_is_compared(
    electra: Electra, trained: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ELECTRA_TRAIN__SEED", "77")
    result = electra("config", "diff", "small", "base", trained, "--json")
    found = {row["key"]: row["values"] for row in result.json["differences"]}
    assert found["train.steps"] == [1_000_000, 766_000, 12]
    assert "train.seed" not in found
    assert all(any(v != values[0] for v in values) for values in found.values())
    same = electra("config", "diff", "small", "small")
    assert (same.code, same.stdout) == (0, "no key differs\n")


def test_init_writes_what_config_takes(electra: Electra, tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    assert electra(*INIT, "--output", file).code == 0
    text = file.read_text()
    assert f"electra pretrain --config {file} --data data --model-dir runs/mine\n" in text
    loaded = load_config(config_file=file, environment={})
    for section, values in load_yaml(text).items():
        if section != "preset":
            assert getattr(loaded.config, section).model_dump().items() >= values.items()
    again = electra(*INIT, "--output", file, "--json")
    again.failed(73, f"{file} is there already", "--output")
    assert file.read_text() == text
    electra(*INIT, "--output", tmp_path / "no" / "mine.yaml", "--json").failed(73, "mkdir -p")


def test_hours_that_the_text_cannot_use(electra: Electra, tmp_path: Path) -> None:
    asked = [*INIT[:-1], "1e9"]
    limit = "he text is the limit, not the 1e+09 hours"
    shown = electra(*asked)
    assert (limit in shown.stdout, limit in shown.stderr) == (True, True)
    assert limit in electra(*asked, "--output", tmp_path / "mine.yaml").stderr
    assert electra(*asked, "--quiet").stderr == ""


@pytest.mark.slow
def test_what_init_writes_passes_a_dry_run(electra: Electra, tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    electra(*INIT, "--output", file)
    look = electra("pretrain", "--config", file, "--dry-run", "--device", "cpu", "--json")
    assert look.code == 0, look.stderr
    assert look.json["preset"] == "small"


@pytest.mark.parametrize(
    ("option", "value", "words"),
    [
        ("--corpus-bytes", "50 MBs", ["--corpus-bytes", "50MB"]),
        ("--corpus-bytes", "50", ["50 bytes: too little text", "50MB"]),
        ("--corpus-bytes", "1B", ["1 byte: too little text"]),
        ("--corpus-bytes", "2PB", ["2 PB: too much to be meant"]),
        ("--corpus-bytes", "9e30", ["too much to be meant"]),
        ("--memory", "lots", ["--memory"]),
        ("--memory", "1MB", ["too little for a single row", "write --memory 8GiB"]),
        ("--hours", "0", ["--hours 0", "above 0"]),
        ("--hours", "-1", ["--hours -1", "above 0"]),
        ("--hours", "nan", ["--hours nan"]),
        ("--hours", "inf", ["--hours inf", "a number above 0", "write --hours 24"]),
        ("--hours", "0.0001", ["fewer than 200 steps", "write --hours 0.016"]),
        ("--tflops", "0", ["--tflops 0", "above 0"]),
        ("--tflops", "inf", ["--tflops inf", "at most 1e+06"]),
        ("--hardware", "tpu", ["--hardware", "gpu"]),
    ],
)
def test_nonsense_is_refused(electra: Electra, option: str, value: str, words: list[str]) -> None:
    electra(*INIT, f"{option}={value}", "--json").failed(2, *words)
