from __future__ import annotations

import json
from pathlib import Path

import pytest

from electra_cli.cli.commands.evaluate import _labels
from electra_cli.config.load import read_config
from electra_cli.config.sections import ObjectiveConfig
from electra_cli.corpus.shards.manifest import read_manifest
from electra_cli.metrics.names import format_flops
from electra_cli.objectives import metrics_of, objective_of
from electra_cli.runs.run_folder import Checkpoint, RunFolder
from tests.conftest import Electra

ELECTRA = objective_of(ObjectiveConfig())


def numbers(metrics: dict[str, float | None]) -> dict[str, float]:
    """Metrics with NaN for what JSON says as null: precision before anything is predicted."""
    return {k: float("nan") if v is None else v for k, v in metrics.items()}


def close(metrics: dict[str, float | None]):
    return pytest.approx(numbers(metrics), rel=1e-5, nan_ok=True)


@pytest.fixture(scope="module")
def during(trained: Path) -> dict[str, float | None]:
    """The metrics of the newest checkpoint, computed at the end of training."""
    return json.loads((trained / "result.json").read_text())["evaluation"]


@pytest.mark.slow
def test_all_checkpoints_in_one_table(electra: Electra, trained: Path) -> None:
    result = electra("evaluate", trained, "--all", "--device", "cpu", "--json")
    assert result.code == 0, result.stderr
    found = result.json
    assert found["command"] == "evaluate"
    assert [c["step"] for c in found["checkpoints"]] == [0, 4, 8, 12]
    names = metrics_of([ELECTRA], detail=True)
    assert all(tuple(c["metrics"]) == names for c in found["checkpoints"])
    whole = json.loads((trained / "result.json").read_text())
    config = read_config(trained / "config.yaml")
    positions = 12 * config.train.batch_size * config.data.sequence_length
    assert whole["flops"] == pytest.approx(positions * whole["flops_per_token"])
    shares = [c["flops"] / whole["flops"] for c in found["checkpoints"]]
    assert shares == pytest.approx([0, 1 / 3, 2 / 3, 1])
    for column in ("step 0", "step 12", "disc_auc", "flops", f" {format_flops(whole['flops'])} "):
        assert column in result.stderr
    assert ELECTRA.breakdowns[0] not in result.stderr
    assert "step 12: the generator is " in result.stderr
    assert result.stderr.count("guessing by frequency") == 1  # only of the newest


def test_the_newest_by_default_and_limits_that_are_missed(
    electra: Electra, trained: Path, during: dict[str, float | None]
) -> None:
    missed = electra(
        "evaluate", trained, "--device", "cpu", "--json",
        "--fail-under", "disc_auc=0.999", "--fail-under", "replaced_rate=0.001",
    )  # fmt: skip
    assert missed.code == 1
    assert "disc_auc is" in missed.stderr
    assert "replaced_rate is" not in missed.stderr
    (found,) = missed.json["checkpoints"]
    assert numbers(found["metrics"]) == close(during)
    manifest = read_manifest(trained / "data")
    assert manifest.baselines is not None
    baselines = found["baselines"]
    assert baselines["unigram_loss"] == manifest.baselines.unigram_entropy
    assert baselines["constant_disc_accuracy"] == 1 - found["metrics"]["replaced_rate"]
    assert f"guessing by frequency ({baselines['unigram_loss']:.2f})" in missed.stderr
    assert f"right for {baselines['constant_disc_accuracy']:.1%}" in missed.stderr


@pytest.mark.slow
def test_a_named_checkpoint_on_two_replicas_with_details_and_a_limit_that_is_met(
    electra: Electra, trained: Path, during: dict[str, float | None]
) -> None:
    result = electra(
        "evaluate", trained / "checkpoints" / "ckpt-12", "--device", "cpu:2", "--detail",
        "--fail-under", "disc_auc=0.01", "--json",
    )  # fmt: skip
    assert result.code == 0, result.stderr
    for name in ELECTRA.breakdowns:
        assert name in result.stderr
    (found,) = result.json["checkpoints"]
    assert numbers(found["metrics"]) == close(during)


def test_quiet_tells_of_a_limit_that_is_missed(electra: Electra, trained: Path) -> None:
    quiet = electra(
        "evaluate", trained, "--device", "cpu", "--quiet", "--fail-under", "disc_f1=0.999"
    )
    assert (quiet.code, quiet.stdout) == (1, "")
    assert quiet.stderr.startswith("warning: disc_f1 is ")
    assert quiet.stderr.endswith("at step 12, under the limit 99.90%\n")


def checkpoint(run: str, step: int) -> Checkpoint:
    return Checkpoint(RunFolder(Path(run)), Path(run) / f"ckpt-{step}", step)


@pytest.mark.parametrize(
    ("runs", "labels"),
    [
        (["runs/a", "runs/a"], ["step 0", "step 1,000"]),
        (["runs/a", "runs/b"], ["a step 0", "b step 1,000"]),
        (["old/a", "new/a"], ["old/a step 0", "new/a step 1,000"]),
    ],
)
def test_checkpoints_of_any_runs_have_names_of_their_own(
    runs: list[str], labels: list[str]
) -> None:
    assert _labels([checkpoint(runs[0], 0), checkpoint(runs[1], 1000)]) == labels


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        (["nowhere"], 66, ["nowhere"]),
        (["nowhere", "--fail-under", "auc=0.5"], 2, ["auc", "disc_auc"]),
        (
            ["nowhere", "--fail-under", "disc_ac=0.5"],
            2,
            ["disc_ac", "did you mean --fail-under disc_auc=0.5?"],
        ),
        (["nowhere", "--fail-under", "disc_auc=high"], 2, ["high"]),
        (["nowhere", "--fail-under", "disc_auc=nan"], 2, ["nan", "is no number"]),
        (["nowhere", "--fail-under", "disc_f1=80"], 2, ["a share", "disc_f1=0.8"]),
        (["nowhere", "--fail-under", "disc_recall=inf"], 2, ["a share", "disc_recall=1"]),
        (["nowhere", "--device", "abacus"], 2, ["abacus"]),
    ],
)
def test_bad_input(electra: Electra, options: list[str], code: int, words: list[str]) -> None:
    electra("evaluate", *options, "--json").failed(code, *words)


def test_a_folder_that_is_no_run(electra: Electra, tmp_path: Path) -> None:
    electra("evaluate", tmp_path, "--json").failed(65, "config.yaml")


def test_data_with_another_vocabulary(
    electra: Electra, trained: Path, corpus: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    options = ["--output", other, "--vocab-size", 300, "--sequence-length", 32, "--workers", 1]
    assert electra("prepare-data", corpus, *options).code == 0
    result = electra("evaluate", trained, "--data", other, "--device", "cpu", "--json")
    result.failed(65, "vocabulary", "300", "600")


def test_data_that_moved_away(electra: Electra, trained: Path, tmp_path: Path) -> None:
    result = electra("evaluate", trained, "--data", tmp_path, "--device", "cpu", "--json")
    result.failed(65, str(tmp_path))
