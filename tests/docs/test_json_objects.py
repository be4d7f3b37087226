"""docs/json_objects.yaml and the tables of docs/generate.py against what the commands print."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from electra_cli.cli.screen.console import show_error
from electra_cli.config.finetune import Kind
from electra_cli.config.sections import ObjectiveConfig
from electra_cli.health.finding import Change, Finding
from electra_cli.objectives import metrics_of, objective_of
from tests.conftest import Electra, settings
from tests.docs.pages import generator
from tests.export.runs import write_run
from tests.finetuning.finished import Finished
from tests.finetuning.made_data import write_files
from tests.report.made_run import finished, made_run
from tests.report.test_downstream import made_finetuning

_TYPES = {
    "text": str,
    "text or null": str | None,
    "integer": int,
    "integers by kind": dict,
    "integers by split": dict,
    "numbers by score": dict,
    "number": int | float,
    "boolean": bool,
    "boolean or null": bool | None,
    "list of text": list,
    "list of integers": list,
    "list of numbers": list,
    "list of numbers or null": list | None,
    "list of pairs": list,
    "number or null": int | float | None,
    "integer or null": int | None,
    "any value": str | int | float | bool | None,
    "list of values": list,
}

# Those of what is trained here: METRIC is any of any objective.
_METRICS = metrics_of([objective_of(ObjectiveConfig())], detail=True)


@pytest.fixture(scope="module")
def documented() -> dict[str, dict[str, Any]]:
    """The type of every key of every object, METRIC spelled out."""
    objects = generator()["json_objects"]()
    return {
        name: {
            key.replace("METRIC", metric): _TYPES[kind]
            for key, (kind, _) in keys.items()
            for metric in (_METRICS if key.endswith("METRIC") else [""])
        }
        for name, keys in objects.items()
    }


def leaves(value: Any, keys: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, Any]]:
    """The values of a JSON object by their documented key."""
    if isinstance(value, dict) and keys.get(path) is not dict:
        for key, inner in value.items():
            yield from leaves(inner, keys, f"{path}.{key}" if path else key)
    elif isinstance(value, list) and value and isinstance(value[0], dict):
        for inner in value:
            yield from leaves(inner, keys, f"{path}[]")
    else:
        yield path, value


def check(printed: dict[str, Any], keys: dict[str, Any]) -> None:
    found = list(leaves(printed, keys))
    # Of a list without an element the keys of elements are not there.
    empty = [path for path, value in found if value == [] and path not in keys]
    found = [(key, value) for key, value in found if key not in empty]
    elements = tuple(f"{path}[]." for path in empty)
    assert {key for key, _ in found} == {key for key in keys if not key.startswith(elements)}
    wrong = [(key, value) for key, value in found if not isinstance(value, keys[key])]
    assert not wrong
    with_booleans = (bool, bool | None, _TYPES["any value"])
    flags = {key for key, value in found if isinstance(value, bool)}
    assert not [key for key in flags if keys[key] not in with_booleans]


def test_prepare_data(
    electra: Electra, corpus: Path, tmp_path: Path, documented: dict[str, Any]
) -> None:
    result = electra(
        "prepare-data", corpus, "--output", tmp_path / "data", "--vocab-size", 400,
        "--workers", 1, "--json",
    )  # fmt: skip
    check(result.json, documented["prepare-data"])
    task = electra(
        "prepare-data", corpus, "--output", tmp_path / "task", "--vocab",
        tmp_path / "data" / "vocab.txt", "--stage", "prepare", "--json",
    )  # fmt: skip
    check(task.json, documented["prepare-data --stage"])


def test_pretrain(electra: Electra, trained: Path, data: Path, documented: dict[str, Any]) -> None:
    again = electra(
        "pretrain", "--preset", "tiny", "--data", data, "--model-dir", trained,
        "--steps", 12, "--device", "cpu", *settings(), "--json",
    )  # fmt: skip
    check(again.json, documented["pretrain"])


def test_dry_run(electra: Electra, tmp_path: Path, documented: dict[str, Any]) -> None:
    result = electra(
        "pretrain", "--preset", "tiny", "--model-dir", tmp_path / "run", "--device", "cpu",
        "--dry-run", *settings(), "--set", "optimizer.warmup_steps=9", "--steps", 9, "--json",
    )  # fmt: skip
    assert result.json["findings"][0]["name"] == "warmup-too-long"
    check(result.json, documented["pretrain --dry-run"])


def test_evaluate(electra: Electra, trained: Path, documented: dict[str, Any]) -> None:
    result = electra("evaluate", trained, "--device", "cpu", "--json")
    check(result.json, documented["evaluate"])


def test_pseudo_likelihood(electra: Electra, tmp_path: Path, documented: dict[str, Any]) -> None:
    run = write_run(tmp_path / "run", objective="electric")
    (tmp_path / "sentences").write_text("the cat\n", encoding="utf-8")
    result = electra("evaluate", run, "--pseudo-likelihood", tmp_path / "sentences", "--json")
    check(result.json, documented["evaluate --pseudo-likelihood"])


def test_launch(electra: Electra, documented: dict[str, Any]) -> None:
    result = electra("launch", "--to", "slurm", "--json", "--", "pretrain", "--preset", "tiny")
    check(result.json, documented["launch"])


def test_report(electra: Electra, tmp_path: Path, documented: dict[str, Any]) -> None:
    # With a finding and a fine-tuning, so that every key is there.
    run = made_run(tmp_path / "run", finished(), settings=["optimizer.warmup_steps=900"])
    made_finetuning(tmp_path / "finetuned", run.path)
    check(electra("report", run.path, "--format", "md", "--json").json, documented["report"])


def test_export(
    electra: Electra, trained: Path, tmp_path: Path, documented: dict[str, Any]
) -> None:
    result = electra(
        "export", trained, "--format", "huggingface", "--output", tmp_path / "hf", "--json"
    )
    check(result.json, documented["export"])


def test_finetune(classified: Finished, documented: dict[str, Any]) -> None:
    check(classified.result, documented["finetune"])


def test_finetune_dry_run(
    electra: Electra, classified: Finished, tmp_path: Path, documented: dict[str, Any]
) -> None:
    result = electra(*classified.command("--dry-run", output=tmp_path / "out"))
    check(result.json, documented["finetune --dry-run"])


def test_evaluate_finetuned(
    electra: Electra, classified: Finished, documented: dict[str, Any]
) -> None:
    result = electra(
        "evaluate", classified.folder, "--data", classified.files.dev, "--device", "cpu", "--json"
    )
    check(result.json, documented["evaluate of fine-tuned models"])


@pytest.mark.parametrize("kind", ["classification", "regression", "tagging"])
def test_debug_task(
    electra: Electra, trained: Path, tmp_path: Path, documented: dict[str, Any], kind: Kind
) -> None:
    files = write_files(tmp_path / "files", kind)
    result = electra(
        "debug", "task", trained, "--task", kind, "--train", files.train, "--dev", files.dev,
        "--max-length", 64, "--json",
    )  # fmt: skip
    check(result.json, documented["debug task"])


@pytest.mark.parametrize("options", [["--verify"], []])
def test_debug_data(
    electra: Electra, data: Path, documented: dict[str, Any], options: list[str]
) -> None:
    result = electra("debug", "data", data, *options, "--json")
    check(result.json, documented["debug data"])


def test_doctor(electra: Electra, documented: dict[str, Any]) -> None:
    check(electra("doctor", "--no-devices", "--json").json, documented["doctor"])


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("show", ["small"]),
        ("diff", ["small", "base"]),
        ("init", ["--corpus-bytes", "50MB", "--hardware", "cpu", "--hours", "24"]),
    ],
)
def test_config(
    electra: Electra, documented: dict[str, Any], name: str, arguments: list[str]
) -> None:
    check(electra("config", name, *arguments, "--json").json, documented[f"config {name}"])


def test_failure(electra: Electra, documented: dict[str, Any]) -> None:
    result = electra("pretrain", "--preset", "tini", "--json")
    assert result.code == 2
    keys = documented["on failure"]
    check(result.json, {key: keys[key] for key in keys if "findings" not in key})


def test_failure_of_a_run(documented: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    found = Finding("padding", "Padding", 0, None, "40%", "It costs.", "pack")
    show_error("diverged", "", 70, as_json=True, findings=[found.as_json()])
    check(json.loads(capsys.readouterr().out), documented["on failure"])


def test_metric_lines(trained: Path) -> None:
    names = generator()
    expected = {
        "train": names["TRAIN_LINES"],
        "validation": ("flops", *_METRICS),
        "start": names["START_LINES"],
        "end": names["END_LINES"],
    }
    lines = [json.loads(line) for line in (trained / "metrics.jsonl").read_text().splitlines()]
    assert {line["kind"] for line in lines} == set(expected)
    for line in lines:
        assert set(line) == {*names["METRIC_LINES"], *expected[line["kind"]]}


def test_findings(documented: dict[str, Any]) -> None:
    finding = Finding("padding", "title", 0, None, "evidence", "meaning", "advice")
    values = Change("begins", 0, finding, "evidence").values()
    assert values.keys() == generator()["FINDING_LINES"].keys()
    prefix = "findings[]."
    keys = {k.removeprefix(prefix): v for k, v in documented["pretrain"].items() if prefix in k}
    check(finding.as_json(), keys)


def test_run_folder(trained: Path) -> None:
    page = generator()["pages"]()["reference/run-folder.md"]
    written = {path.name for path in trained.iterdir()}
    assert not [name for name in written if f"`RUN/{name}" not in page]
