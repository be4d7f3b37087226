"""Branches of a run without an end: finished models of several lengths from one run."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from electra_cli.cli.app import run as run_command
from electra_cli.errors import DataError
from electra_cli.runs.commit import read_commit
from electra_cli.runs.run_folder import Checkpoint
from electra_cli.training.plan.begin import create_run_folder
from electra_cli.training.plan.branch import find_branch
from electra_cli.training.plan.preflight import plan_run
from electra_cli.training.plan.readiness import go_on
from tests.conftest import Electra, settings
from tests.training.runs import before_tensorflow, copied, metric_lines

# Five updates of four rows come before those of eight; with what else has a state or parts.
WSD = (
    "optimizer.schedule=wsd",
    "train.batch_schedule=4:20",
    "train.accumulation_steps=2",
    "optimizer.ema_decay=0.5",
    "model.hidden_dropout=0.1",
    "generator.sharing=none",
)


def command(data: Path, folder: Path, *more: object) -> list[str]:
    fixed = ["pretrain", "--preset", "tiny", "--data", data, "--model-dir", folder]
    return [str(part) for part in [*fixed, "--device", "cpu", "--json", *settings(*WSD), *more]]


def branch(source: Path, folder: Path, *more: object, decay: object = 4) -> list[str]:
    fixed = ["pretrain", "--branch-decay", decay, "--from", source, "--model-dir", folder]
    return [str(part) for part in [*fixed, "--device", "cpu", "--json", *more]]


@pytest.fixture(scope="module")
def stable(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight updates of a run without an end, four of warm-up; checkpoints 0, 4 and 8."""
    folder = tmp_path_factory.mktemp("branches") / "stable"
    assert run_command(command(data, folder, "--set", "train.steps=null", "--stop-at-step", 8)) == 0
    return folder


def state_of(run: Path, step: int) -> str:
    return read_commit(run / "checkpoints" / f"ckpt-{step}").state_sha256


@pytest.mark.slow
def test_a_branch_is_the_run_that_was_planned_so(
    electra: Electra,
    data: Path,
    stable: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """From two steps; to the bit the one that is stopped, loses its source and goes on.

    It begins within the stretch of small batches, and is stopped where that ends.
    """
    assert "8 of a run without end" in (stable / "report.html").read_text()
    files = {path: path.read_bytes() for path in stable.rglob("*") if path.is_file()}

    # Of the newest checkpoint; the rate is whole at step 8, half at 9, and 0 at 10.
    late = electra(*branch(stable, tmp_path / "late", decay=2)).json
    assert (late["start_step"], late["final_step"]) == (8, 10)
    rates = {s: line["learning_rate"] for s, line in metric_lines(stable, "train").items()}
    assert metric_lines(tmp_path / "late", "train")[10]["learning_rate"] == 0.0
    assert late["goodput"]["restarts"] == 0

    # Of another one, which is stopped and goes on.
    source = shutil.copytree(stable, tmp_path / "source")
    early = tmp_path / "early"
    arguments = branch(source / "checkpoints" / "ckpt-4", early)
    arguments += ["--set", "optimizer.decay_shape=1-sqrt"]
    first = electra(*arguments, "--stop-at-step", 5).json
    assert (first["start_step"], first["final_step"]) == (4, 5)
    assert state_of(early, 4) == state_of(stable, 4)
    shutil.rmtree(source)
    last = electra(*arguments).json
    assert (last["start_step"], last["final_step"]) == (5, 8)
    line = metric_lines(early, "train")[6]
    assert line["learning_rate"] == pytest.approx(rates[6] * (1 - 0.5**0.5), rel=1e-5)
    planned = command(data, tmp_path / "planned-8", "--steps", 8)
    planned += ["--set", "optimizer.decay_steps=4", "--set", "optimizer.decay_shape=1-sqrt"]
    whole = electra(*planned).json
    assert whole["state_sha256"] == last["state_sha256"]
    assert whole["evaluation"] == last["evaluation"]
    assert state_of(tmp_path / "planned-8", 4) == state_of(stable, 4)
    assert electra(*arguments).json["state_sha256"] == last["state_sha256"]  # it is finished

    by_itself = ["pretrain", "--config", early / "config.yaml", "--model-dir", early, "--json"]
    assert electra(*by_itself, "--device", "cpu").json["state_sha256"] == last["state_sha256"]
    with before_tensorflow(monkeypatch):  # its decay has begun
        electra(*branch(early, tmp_path / "new")).failed(2, "lies past step 4", "up to 4")
        longer = electra(*planned, "--steps", 12)
    longer.failed(2, "train.steps: 8 -> 12", "--allow-config-change train.steps")

    page = electra("report", early, "--format", "md", "--output", tmp_path / "r.md", "--json")
    assert page.code == 0, page.stderr
    text = (tmp_path / "r.md").read_text()
    assert f"electra pretrain --branch-decay 4 --from {source}/checkpoints/ckpt-4" in text
    assert "--set optimizer.decay_shape=1-sqrt" in text
    assert "8, before that 4:20; 32 tokens a row" in text
    assert f"{5 * 4 + 3 * 8} " in text.replace("|", " ")
    assert {path: path.read_bytes() for path in files} == files
    assert sorted(files) == sorted(path for path in stable.rglob("*") if path.is_file())


@pytest.mark.slow
def test_what_is_no_branch_is_refused(
    electra: Electra,
    data: Path,
    stable: Path,
    trained: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    new, begun = tmp_path / "new", tmp_path / "begun"
    decayed = copied(trained, tmp_path / "decayed")
    other = tmp_path / "other"
    shutil.copytree(data, other)
    manifest = json.loads((other / "manifest.json").read_text())
    manifest["shards"][0]["sha256"] = "0" * 64
    (other / "manifest.json").write_text(json.dumps(manifest))
    ckpt = stable / "checkpoints" / "ckpt-0"
    bare = ["pretrain", "--model-dir", new, "--json"]
    cases: list[tuple[list[object], int, tuple[str, ...]]] = [
        ([*branch(decayed, new)], 2, ("schedule electra", "schedule=wsd")),
        ([*branch(stable, new, decay=0)], 2, ("--branch-decay 0", "at least 1")),
        ([*bare, "--from", stable], 2, ("--from without --branch-decay", "--model-dir NEW")),
        ([*bare, "--branch-decay", 3], 2, ("--branch-decay without --from",)),
        ([*branch(stable, new)[:5], "--json"], 2, ("without --model-dir",)),
        ([*branch(tmp_path / "none", new)], 66, ("no checkpoint and no run folder",)),
        ([*branch(ckpt, new)], 2, ("within the warm-up", "4 updates", "later STEP")),
        ([*branch(stable, new, "--steps", 20)], 2, ("train.steps", "ends at step 12")),
        ([*branch(stable, new, "--stop-at-step", 8)], 2, ("at least 9", "begins at step 8")),
        ([*branch(stable, new, "--stop-at-step", 13)], 2, ("past train.steps 12",)),
        ([*branch(stable, new, "--preset", "tiny")], 2, ("--preset with", "leave --preset out")),
        ([*branch(stable, new, "--seed", 3)], 2, ("train.seed: 0 -> 3", "--init-from")),
        ([*branch(stable, new, "--batch-size", 4)], 2, ("train.batch_size: 8 -> 4",)),
        ([*branch(stable, new, "--data", other)], 65, ("was trained on other data",)),
        ([*branch(stable, stable)], 2, ("is a run already, and no branch",)),
        (
            [*branch(stable, new, "--gin-param", "mask_tokens.mask_token_probability = 0.5")],
            2,
            ("was started with other gin bindings",),
        ),
    ]
    for arguments, code, words in cases:
        if "--gin-param" in arguments:
            result = electra(*arguments)
        else:
            with before_tensorflow(monkeypatch):
                result = electra(*arguments)
        result.failed(code, *words)
        assert not new.exists()
    with monkeypatch.context() as patch:
        patch.setenv("ELECTRA_TRAIN__STEPS", "20")
        electra(*branch(stable, new)).failed(2, "ELECTRA_TRAIN__STEPS with", "ends at step 12")

    # Killed before its first checkpoint, a branch is begun again, and by nothing else.
    loaded = find_branch(stable, 4, begun, others=())
    assert loaded is not None
    config = loaded.load({}, [])
    plan = go_on(plan_run(config, data=data, model_dir=begun, branch=loaded), warn=pytest.fail)
    begun.mkdir()
    create_run_folder(plan, bindings="", initialized=None)
    with before_tensorflow(monkeypatch):
        by_itself = ["pretrain", "--config", begun / "config.yaml", "--model-dir", begun, "--json"]
        for more in ((), ("--dry-run",)):
            refused = electra(*by_itself, *more)
            refused.failed(2, "has no checkpoint yet", "repeat the first command")
        electra(*by_itself, "--stop-at-step", 3).failed(2, "at least 9")
        electra(*branch(stable, begun, decay=3)).failed(2, "--branch-decay 4, not 3")
        electra(*branch(trained, begun)).failed(2, f"--from {stable}, not {trained}")
    again = find_branch(stable, 4, begun, others=())
    assert again is not None
    plan = go_on(
        plan_run(again.load({}, []), data=data, model_dir=begun, branch=again), warn=pytest.fail
    )
    assert (plan.start, plan.stop, plan.has_begun) == (8, 12, False)
    assert plan.resume.path == stable / "checkpoints" / "ckpt-8"
    monkeypatch.setattr(Checkpoint, "state_sha256", "another")
    with pytest.raises(DataError, match="is gone or is another one by now"):
        again.begin()
