"""`electra finetune`, in process, on made data and a model that trains in a second."""

from __future__ import annotations

import csv
import json
import math
import shutil
from pathlib import Path

import pytest

from electra_cli.finetuning import run as running
from tests.conftest import Electra
from tests.finetuning.finished import Finished
from tests.training.runs import steps_of

KEYS = {
    "command", "output", "source", "task", "kind", "labels", "seeds", "metric", "majority",
    "columns", "best", "verdict", "plots", "predictions", "seconds", "warnings",
}  # fmt: skip
COLUMN = {
    "column", "label", "role", "pretraining_steps", "pretraining_flops", "median", "mean",
    "standard_deviation", "best", "failed_seeds", "runs",
}  # fmt: skip
RUN = {"seed", "steps", "loss", "metrics", "threshold", "state_sha256", "sequences_per_second"}


@pytest.mark.usefixtures("trains_nothing")
def test_the_same_command_again_trains_nothing(
    electra: Electra, finished: Finished, tmp_path: Path
) -> None:
    folder = finished.copied(tmp_path / "out")
    again = electra(*finished.command(output=folder))
    assert again.code == 0, again.stderr
    differs = {"seconds": 0, "output": "", "predictions": ""}
    assert again.json | differs == finished.result | differs
    assert again.json == json.loads((folder / "result.json").read_text())
    assert set(again.json) == KEYS
    for column in again.json["columns"]:
        assert set(column) == COLUMN
        assert all(set(run) == RUN for run in column["runs"])


def test_a_comparison(classified: Finished) -> None:
    """What the object says of runs is what lies in their folders, and follows from it."""
    result, folder = classified.result, classified.folder
    assert [(c["column"], c["role"], c["pretraining_steps"]) for c in result["columns"]] == [
        ("step-12", "model", 12), ("probe-step-12", "probe", 12), ("random", "random", None)
    ]  # fmt: skip
    assert result["labels"] == ["neg", "pos"]
    assert result["seeds"] == [0, 1]
    assert result["majority"] == pytest.approx(11 / 21)  # both are as frequent in train
    for column in result["columns"]:
        runs = column["runs"]
        first, second = (run["metrics"]["accuracy"] for run in runs)
        assert column["mean"] == column["median"] == pytest.approx((first + second) / 2)
        assert column["standard_deviation"] == pytest.approx(abs(first - second) / math.sqrt(2))
        assert column["best"] == max(first, second)
        assert [run["steps"] for run in runs] == [15, 15]  # 3 epochs of 40 rows by 8
        for seed, run in enumerate(runs):
            own = json.loads((folder / column["column"] / f"seed-{seed}/result.json").read_text())
            assert run.items() <= own.items()
    hashes = [run["state_sha256"] for column in result["columns"] for run in column["runs"]]
    assert len(set(hashes)) == 6
    assert all(isinstance(sentence, str) for sentence in result["verdict"])


def test_metrics_of_a_run(classified: Finished) -> None:
    lines = (classified.folder / "step-12/seed-0/metrics.jsonl").read_text().splitlines()
    found = [json.loads(line) for line in lines]
    assert [(x["kind"], x["step"]) for x in found] == [
        ("train", 5), ("train", 10), ("train", 15), ("validation", 15)
    ]  # fmt: skip
    run = classified.result["columns"][0]["runs"][0]
    assert run["metrics"].items() <= found[-1].items()
    assert found[2]["loss"] == run["loss"] == pytest.approx(found[2]["summed_loss"] / 8)


def test_weights_that_stay(classified: Finished) -> None:
    """Those of every seed of the model, and none of what it is compared with."""
    kept = {
        str(path.parent.relative_to(classified.folder)): steps_of(path.parent)
        for path in classified.folder.glob("*/seed-*/result.json")
    }
    none: list[int] = []
    assert kept == {
        "step-12/seed-0": [15], "step-12/seed-1": [15], "probe-step-12/seed-0": none,
        "probe-step-12/seed-1": none, "random/seed-0": none, "random/seed-1": none,
    }  # fmt: skip


def test_the_table(electra: Electra, classified: Finished, tmp_path: Path) -> None:
    command = classified.command(output=classified.copied(tmp_path / "out"))
    command.remove("--json")
    shown = electra(*command).stdout
    for word in ("mean ± sd", "frozen encoder", "random weights", "always the same answer"):
        assert word in shown
    for sentence in classified.result["verdict"]:
        assert " ".join(sentence.split()) in " ".join(shown.split())


@pytest.mark.slow
def test_more_seeds_add_runs_only(
    electra: Electra, regressed: Finished, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, trained = regressed.copied(tmp_path / "out"), []
    train = running.train_run

    def counted(bench, column, seed, *args, **kwargs):
        trained.append((column.name, seed))
        return train(bench, column, seed, *args, **kwargs)

    monkeypatch.setattr(running, "train_run", counted)
    more = electra(*regressed.command("--seeds", 2, output=folder)).json
    assert trained == [("step-12", 1)]
    assert more["columns"][0]["runs"][0] == regressed.result["columns"][0]["runs"][0]
    assert more["seeds"] == [0, 1]
    # What is there stays part of the comparison, whatever is asked for, and so do weights.
    fewer = electra(*regressed.command("--steps", 4, output=folder)).json
    assert trained == [("step-12", 1), ("step-4", 0)]
    assert fewer["seeds"] == [0, 1]
    assert fewer["columns"][1:] == more["columns"]
    assert [steps_of(folder / "step-12" / f"seed-{seed}") for seed in (0, 1)] == [[15], [15]]


@pytest.mark.slow
def test_every_checkpoint_and_then_only_another_one(
    electra: Electra, regressed: Finished, tmp_path: Path
) -> None:
    """Weights of the best run of each checkpoint stay, and what is there is compared again."""
    folder = tmp_path / "out"
    result = electra(*regressed.command("--all", "--epochs", 0.4, output=folder)).json
    names = ["step-0", "step-4", "step-8", "step-12"]
    assert [c["column"] for c in result["columns"]] == names
    assert [c["pretraining_steps"] for c in result["columns"]] == [0, 4, 8, 12]
    assert [Path(path).name for path in result["plots"]] == ["curve.svg", "curve.png"]
    assert (folder / "curve.svg").read_text().startswith("<?xml")
    assert (folder / "curve.png").read_bytes().startswith(b"\x89PNG")
    before = {c["column"]: c["runs"][0]["state_sha256"] for c in result["columns"]}
    assert len(set(before.values())) == 4
    assert all(steps_of(folder / name / "seed-0") for name in names)

    given = ["--epochs", 0.4, "--steps", 4, "--predict", regressed.files.dev]
    alone = electra(*regressed.command(*given, output=folder))
    assert alone.code == 0, alone.stderr
    assert alone.json["columns"] == result["columns"]
    assert alone.json["best"] == result["best"]
    assert Path(alone.json["predictions"]).is_file()


PREDICTED = {  # the ending of the file, and the names in it
    "classification": ("tsv", ["index", "prediction", "score_neg", "score_pos"]),
    "regression": ("tsv", ["index", "prediction"]),
    "tagging": ("jsonl", ["index", "words", "prediction", "scores"]),
    "qa": ("json", []),
}


def test_predictions(finished: Finished) -> None:
    """In the order of the input, of data without labels."""
    folder, kind = finished.folder, finished.result["kind"]
    ending, names = PREDICTED[kind]
    path = Path(finished.result["predictions"])
    best = finished.result["best"]
    run = f"{best['column']}-seed-{best['seed']}"
    assert path == folder / f"predictions-unlabelled-{run}.{ending}"
    text = path.read_text(encoding="utf-8")
    if kind == "qa":
        answers = json.loads(text)
        asked = json.loads(finished.files.dev.read_text())["data"][0]["paragraphs"]
        assert list(answers) == [q["qas"][0]["id"] for q in asked]
        assert all(answers[q["qas"][0]["id"]] in q["context"] for q in asked)
        return
    if kind == "tagging":
        words = [s.split("\n") for s in finished.files.unlabelled.read_text().split("\n\n")[:-1]]
        records = [json.loads(line) for line in text.splitlines()]
        assert [record["index"] for record in records] == list(range(21))
        assert [record["words"] for record in records] == words
        assert list(records[0]) == names
        return
    rows = list(csv.DictReader(text.splitlines(), delimiter="\t"))
    assert [list(row) for row in rows] == [names] * 21
    assert [row["index"] for row in rows] == list(map(str, range(21)))
    gold = [line.split("\t")[1] for line in finished.files.dev.read_text().splitlines()[1:]]
    metrics = finished.result["columns"][0]["runs"][best["seed"]]["metrics"]
    if kind == "classification":
        right = [row["prediction"] == label for row, label in zip(rows, gold, strict=True)]
        assert sum(right) / 21 == pytest.approx(metrics["accuracy"])
    else:
        errors = [float(r["prediction"]) - float(g) for r, g in zip(rows, gold, strict=True)]
        assert sum(e * e for e in errors) / 21 == pytest.approx(metrics["mse"], rel=1e-3)


@pytest.mark.usefixtures("trains_nothing")
def test_predictions_overwrite_nothing(
    electra: Electra, regressed: Finished, tmp_path: Path
) -> None:
    folder, path = regressed.copied(tmp_path / "out"), tmp_path / "thesis.tsv"
    path.write_text("years of work")
    given = ["--predict", regressed.files.dev, "--predictions", path]
    (folder / "result.json").unlink()
    electra(*regressed.command(*given, output=folder)).failed(73, str(path), "--predictions")
    assert path.read_text() == "years of work"
    # What was trained is written all the same.
    assert json.loads((folder / "result.json").read_text())["best"] == regressed.result["best"]


@pytest.mark.usefixtures("trains_nothing")
def test_a_best_run_whose_weights_somebody_deleted(
    electra: Electra, regressed: Finished, tmp_path: Path
) -> None:
    folder = regressed.copied(tmp_path / "out")
    shutil.rmtree(folder / "step-12" / "seed-0" / "checkpoints")
    given = ["--predict", regressed.files.dev]
    electra(*regressed.command(*given, output=folder)).failed(65, "no weights any more", "delete")
    exported = electra("export", folder, "--format", "onnx", "--output", tmp_path / "o", "--json")
    exported.failed(65, "has no weights", "trains it anew")


@pytest.mark.usefixtures("trains_nothing")
@pytest.mark.parametrize(
    ("limits", "code"),
    [
        (["accuracy=0.0"], 0),
        (["accuracy=1.01"], 1),
        (["accuracy=0.0", "f1/pos=1.01"], 1),
        (["acuracy=0.5"], 2),
        (["accuracy=high"], 2),
        (["loss=0.5"], 2),
    ],
)
def test_limits(
    electra: Electra, classified: Finished, tmp_path: Path, limits: list[str], code: int
) -> None:
    options = [part for limit in limits for part in ("--fail-under", limit)]
    folder = classified.copied(tmp_path / "out")
    result = electra(*classified.command(*options, output=folder))
    assert result.code == code, result.stderr
    if code == 2:
        result.failed(2, "--fail-under", "accuracy")
    else:
        assert result.json["metric"] == "accuracy"
        assert ("under the limit" in result.stderr) == (code == 1)


def test_limits_of_scores_that_only_some_data_has(
    electra: Electra, answered: Finished, regressed: Finished, trained: Path, tmp_path: Path
) -> None:
    """Known before anything is trained: where all questions have answers there are fewer."""
    data = json.loads(answered.files.train.read_text())
    for article in data["data"]:
        asked = article["paragraphs"]
        article["paragraphs"] = [p for p in asked if not p["qas"][0]["is_impossible"]]
    path = tmp_path / "answerable.json"
    path.write_text(json.dumps(data))
    command = answered.command("--dev", path, "--dry-run")
    command.remove(str(answered.files.dev))
    command.remove("--dev")
    assert electra(*command, "--fail-under", "exact_match=0").code == 0
    electra(*command, "--fail-under", "HasAns_f1=0").failed(2, "HasAns_f1", "exact_match")
    for name in ("NoAns_f1", "best_f1", "total"):
        electra(*command, "--set", f"task.metric={name}").failed(2, "task.metric", name)
    whole = answered.command("--dry-run", output=tmp_path / "out")
    electra(*whole, "--set", "task.metric=best_f1_thresh").failed(2, "task.metric")
    assert electra(*whole, "--set", "task.metric=best_f1").code == 0
    electra(*regressed.command("--fail-under", "mse=1")).failed(2, "mse", "more is better")


@pytest.mark.usefixtures("trains_nothing")
def test_a_dry_run_writes_nothing(electra: Electra, finished: Finished, tmp_path: Path) -> None:
    out = tmp_path / "out"
    result = electra(*finished.command("--dry-run", output=out)).json
    steps = finished.result["columns"][0]["runs"][0]["steps"]
    assert result["dry_run"] is True
    assert result["steps"] == steps
    assert result["runs"] == len(finished.result["columns"]) * len(finished.result["seeds"])
    assert result["parameters"] > 0
    assert [split["examples"] for split in result["data"]["splits"]] == [40, 21]
    assert not out.exists()


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["classified", "answered"])
def test_a_head_of_the_reference(
    electra: Electra, kind: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    """It has another loss, and other outputs for questions."""
    done: Finished = request.getfixturevalue(kind)
    options = ("--head", "reference", "--seeds", 1, "--predict", done.files.unlabelled)
    command = done.command(*options, "--epochs", 0.4, output=tmp_path / "out")
    result = electra(*[part for part in command if part not in ("--random", "--probe")])
    assert result.code == 0, result.stderr
    assert math.isfinite(result.json["columns"][0]["runs"][0]["loss"])
    assert Path(result.json["predictions"]).stat().st_size > 0


def test_a_task_file(electra: Electra, regressed: Finished, tmp_path: Path) -> None:
    own = tmp_path / "mine.yaml"
    own.write_text("task:\n  kind: regression\ntrain:\n  epochs: 1\n")
    command = regressed.command("--task-file", own, "--dry-run", output=tmp_path / "out")
    place = command.index("--task")
    result = electra(*command[:place], *command[place + 2 :]).json
    assert (result["task"], result["kind"], result["steps"]) == ("mine", "regression", 5)


@pytest.mark.slow
def test_a_run_that_diverges(
    electra: Electra, regressed: Finished, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has failed, and the same command tells so again without training."""
    folder = tmp_path / "out"
    command = regressed.command("--learning-rate", 1e36, "--batch-size", 2, output=folder)
    failed = electra(*command)
    failed.failed(70, "every run has diverged", "--learning-rate")
    assert "step 12, seed 0 has diverged" in failed.stderr
    assert not steps_of(folder / "step-12" / "seed-0")
    monkeypatch.setattr(running, "train_run", lambda *args, **kwargs: pytest.fail("it trains"))
    electra(*command).failed(70, "every run has diverged")
