"""`electra evaluate` of what `electra finetune` wrote."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tensorflow.python.framework import ops

from tests.conftest import Electra
from tests.finetuning.finished import Finished


def test_the_recorded_scores(electra: Electra, finished: Finished) -> None:
    """To the last digit: of the best run, on the data by which it was chosen."""
    command = ["evaluate", finished.folder, "--data", finished.files.dev, "--device", "cpu"]
    result = electra(*command, "--json")
    assert result.code == 0, result.stderr
    assert set(result.json) == {"command", "data", "models"}
    (model,) = result.json["models"]
    best = finished.result["best"]
    (column,) = (c for c in finished.result["columns"] if c["column"] == best["column"])
    (run,) = (run for run in column["runs"] if run["seed"] == best["seed"])
    assert model == {
        "run": str(finished.folder / best["column"] / f"seed-{best['seed']}"),
        "examples": 21,
        "metrics": run["metrics"],
    }


def test_runs_side_by_side(electra: Electra, classified: Finished) -> None:
    runs = [classified.folder / "step-12" / f"seed-{seed}" for seed in (0, 1)]
    options = ["--data", classified.files.dev, "--device", "cpu", "--json"]
    before = set(ops.gradient_registry.list())
    result = electra("evaluate", *runs, *options, "--fail-under", "accuracy=0.0").json
    assert set(ops.gradient_registry.list()) == before  # or each model would stay in memory
    recorded = [run["metrics"] for run in classified.result["columns"][0]["runs"]]
    assert [model["metrics"] for model in result["models"]] == recorded
    assert electra("evaluate", *runs, *options, "--fail-under", "accuracy=1.01").code == 1


def test_what_is_refused(
    electra: Electra, classified: Finished, trained: Path, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(
        "electra_cli.environment.prepare_tensorflow",
        lambda: pytest.fail("TensorFlow was about to start"),
    )
    folder, dev = classified.folder, classified.files.dev
    other, text = tmp_path / "other.tsv", dev.read_text()
    other.write_text(text + "one more\tmaybe\n")
    cases = [
        ([folder], 2, ["--data FILE"]),
        ([folder, "--data", dev, "--all"], 2, ["--all is for runs of pretraining"]),
        ([folder, "--data", dev, "--device", "cuda"], 2, ["cuda"]),
        ([folder, "--data", tmp_path / "gone.tsv"], 66, ["gone.tsv"]),
        ([folder, "--data", other], 65, ["other.tsv", "1 of 22 examples", "maybe", "neg, pos"]),
        ([folder, "--data", classified.files.unlabelled], 65, ["'label'", "--predict FILE"]),
        ([folder, "--data", dev, "--fail-under", "acuracy=1"], 2, ["accuracy=VALUE"]),
        ([folder, trained, "--data", dev], 2, [str(folder), str(trained), "is none"]),
        ([trained, folder], 2, [str(folder), str(trained), "is none"]),
        ([folder / "random" / "seed-0", "--data", dev], 65, ["has no weights", str(folder)]),
        ([folder / "step-12" / "seed-7", "--data", dev], 66, ["seed-7"]),
    ]
    for arguments, code, words in cases:
        electra("evaluate", *arguments, "--json").failed(code, *words)


def test_tags_that_the_model_does_not_know(
    electra: Electra, tagged: Finished, tmp_path: Path
) -> None:
    """A few are wrong, as in training; many are other data."""
    text, data = tagged.files.dev.read_text(), tmp_path / "other.conll"
    command = ["evaluate", tagged.folder, "--data", data, "--device", "cpu", "--json"]
    data.write_text(text.replace(" I-PER", " I-LOC", 1))
    result = electra(*command)
    assert result.code == 0, result.stderr
    assert "other.conll: 1 of " in result.stderr
    assert "does not know: 'B-LOC' (1); they will all be wrong" in result.stderr
    data.write_text(text.replace("-PER", "-LOC"))
    electra(*command).failed(65, "I-LOC", "does not know", "I-PER, O")


def test_a_model_without_a_threshold_answers_every_question(
    electra: Electra, answered: Finished, tmp_path: Path
) -> None:
    """It was trained where all have an answer; none is chosen by what is to be scored."""
    folder = answered.copied(tmp_path / "out")
    (path,) = folder.glob("*/seed-0/result.json")
    path.write_text(json.dumps(json.loads(path.read_text()) | {"threshold": None}))
    command = ["evaluate", folder, "--data", answered.files.dev, "--device", "cpu", "--json"]
    (model,) = electra(*command).json["models"]
    assert model["metrics"]["threshold"] is None
    assert model["metrics"]["NoAns_f1"] == 0


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        ("result.json", ["is not finished", "same `electra finetune` again"]),
        ("vocab.txt", ["vocab.txt", "is not the vocabulary"]),
        ("inputs.json", ["inputs.json", "same `electra finetune` again"]),
        ("finetune.yaml", ["finetune.yaml is damaged"]),
        ("step-12/seed-0/checkpoints/ckpt-15/state.index", ["state.index", "is damaged"]),
    ],
)
def test_what_is_damaged(
    electra: Electra, regressed: Finished, tmp_path: Path, damage: str, words: list[str]
) -> None:
    folder = regressed.copied(tmp_path / "out")
    if damage == "result.json":
        (folder / damage).unlink()
    elif damage == "vocab.txt":
        (folder / damage).write_text((folder / damage).read_text() + "more\n")
    else:
        (folder / damage).write_text("{}" if damage.endswith("json") else "\n")
    result = electra("evaluate", folder, "--data", regressed.files.dev, "--json")
    result.failed(65, *words)
