"""`electra pretrain`, in process, on a model that trains in seconds."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Electra, read_only, settings
from tests.training.runs import copied

PUBLISHED = {  # b.1 of the size table: discriminator with head, joint trainable
    "small": 14_196_219,
    "small-plus-plus": 23_122_875,
    "base": 119_386_427,
    "large": 354_655_291,
}
KEYS = {
    "command", "run_dir", "preset", "device", "workers", "replicas", "precision", "tf32",
    "start_step", "final_step", "parameters", "flops_per_token", "flops", "losses",
    "sequences_per_second", "tokens_per_second", "matmul_peak_share", "peak_memory_bytes",
    "seconds", "checkpoint", "best_checkpoint", "state_sha256", "evaluation", "findings", "goodput",
    "report",
}  # fmt: skip


TWO_WORKERS = json.dumps(
    {"cluster": {"worker": ["a:1", "b:1"]}, "task": {"type": "worker", "index": 1}}
)


@pytest.fixture
def pretrain(electra: Electra, data: Path, tmp_path: Path):
    """Runs twelve steps in a run folder of this test, more options at will."""

    def call(*options: object, model_dir: str = "run"):
        fixed = ["--preset", "tiny", "--data", data, "--steps", 12, "--device", "cpu", "--json"]
        run = tmp_path / model_dir
        return electra("pretrain", *fixed, "--model-dir", run, *settings(), *options)

    return call


def test_json_and_files_of_a_run(pretrain, trained: Path, tmp_path: Path) -> None:
    """A finished run prints its result again and does nothing."""
    run = copied(trained, tmp_path / "run")
    found = pretrain().json
    moved = {
        "run_dir": str(run),
        "checkpoint": str(run / "checkpoints" / "ckpt-12" / "state"),
        "report": str(run / "report.html"),
    }
    assert found == json.loads((run / "result.json").read_text()) | moved
    assert set(found) == KEYS
    assert found["start_step"] == 0
    assert found["final_step"] == 12
    assert (found["workers"], found["replicas"]) == (1, 1)
    goodput = found["goodput"]
    assert (goodput["restarts"], goodput["lost_steps"]) == (0, 0)
    ended = found["seconds"] + 0.001  # lines have whole milliseconds
    assert 0 < goodput["productive_seconds"] < goodput["process_seconds"] <= ended
    assert 0 < goodput["seconds_to_first_step"] < goodput["process_seconds"]
    assert found["losses"]["total_loss"] == pytest.approx(
        found["losses"]["masked_lm_loss"] + 50 * found["losses"]["disc_loss"], rel=1e-4
    )
    steps = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert [s["step"] for s in steps if s["kind"] == "train"] == [2, 4, 6, 8, 10, 12]
    assert [s["step"] for s in steps if s["kind"] == "validation"] == [0, 8, 12]
    assert "It is finished, after 12 steps." in (run / "report.html").read_text()
    names = {path.name for path in (run / "checkpoints").iterdir()}
    assert names == {"ckpt-0", "ckpt-4", "ckpt-8", "ckpt-12"}
    assert list((run / "tensorboard").rglob("events*"))


@pytest.mark.parametrize(
    ("options", "values"),
    [
        (["--precision", "float16"], {"precision": "float16"}),
        (["--device", "cpu:2"], {"replicas": 2}),
    ],
)
def test_options_reach_the_run(pretrain, options: list[str], values: dict[str, Any]) -> None:
    found = pretrain("--dry-run", *options).json
    assert {name: found[name] for name in values} == values


def test_a_look_ahead_at_a_cluster_joins_nobody(pretrain, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TF_CONFIG", TWO_WORKERS)
    found = pretrain("--dry-run")
    assert (found.json["workers"], found.json["replicas"]) == (2, 2)
    assert "CPU:0 on each of 2 workers (2 replicas)" in found.stderr
    pretrain("--dry-run", "--batch-size", 7).failed(2, "7 is not divisible by 2 replicas")
    assert pretrain("--dry-run", "--cluster", "none").json["replicas"] == 1


def test_a_changed_configuration_is_refused_with_a_diff(
    pretrain, trained: Path, tmp_path: Path
) -> None:
    copied(trained, tmp_path / "run")
    pretrain("--seed", 1).failed(2, "train.seed: 0 -> 1")
    pretrain("--learning-rate", 0.1).failed(2, "optimizer.learning_rate", "0.0002 -> 0.1")
    pretrain("--gin-param", "mask_tokens.mask_token_probability = 0.5").failed(2, "gin")
    assert pretrain("--set", "train.checkpoint_every=3").json["final_step"] == 12


@pytest.mark.slow
def test_gin_binds_functions_and_is_recorded(pretrain, trained: Path, tmp_path: Path) -> None:
    lines = map(json.loads, (trained / "metrics.jsonl").read_text().splitlines())
    (plain,) = (line for line in lines if (line["kind"], line["step"]) == ("train", 2))
    bound = pretrain(
        "--stop-at-step", 2, "--gin-param", "mask_tokens.mask_token_probability = 0.0",
        model_dir="bound",
    ).json  # fmt: skip
    assert bound["losses"]["total_loss"] != pytest.approx(plain["total_loss"], rel=1e-3)
    assert "mask_token_probability = 0.0" in (tmp_path / "bound" / "bindings.gin").read_text()
    # Whether it is finished or not, another binding is refused, and before anything is shown.
    name = "mask_tokens.mask_token_probability"
    for stop in (2, 3):
        for other in ([], ["--gin-param", f"{name} = 0.5"]):
            refused = pretrain("--stop-at-step", stop, *other, model_dir="bound")
            refused.failed(2, "other gin bindings", f"{name} = 0.0")
            assert "Before step 1" not in refused.stderr
    again = pretrain("--stop-at-step", 2, "--gin-param", f"{name} = 0.0", model_dir="bound")
    assert again.json["losses"] == bound["losses"]
    pretrain("--gin-param", "nothing.at_all = 1", model_dir="bad").failed(2, "nothing")
    pretrain("--gin-file", tmp_path / "no.gin", model_dir="bad").failed(66, "no.gin")
    assert not (tmp_path / "bad").exists()


@pytest.mark.parametrize("preset", ["tiny", *PUBLISHED])
def test_dry_run_of_every_preset(
    electra: Electra, tmp_path: Path, preset: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tmp_path / "run"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    texts = [f"{n} " + "some words of a test " * 9 for n in range(400)]
    monkeypatch.setattr("electra_cli.corpus.preparation.demo.demo_documents", lambda: texts)
    options = ["--preset", preset, "--model-dir", run, "--device", "cpu", "--dry-run", "--json"]
    result = electra("pretrain", *options)
    assert result.code == 0, result.stderr
    parameters = result.json["parameters"]
    parts = ("generator", "discriminator", "shared")
    assert parameters["total"] == sum(parameters[part] for part in parts)
    if preset in PUBLISHED:
        assert parameters["total"] == PUBLISHED[preset]
    assert "FLOPs a token" in result.stderr
    assert not run.exists()


def test_a_long_warm_up_is_a_warning_that_names_both(electra: Electra, tmp_path: Path) -> None:
    options = ["--preset", "small", "--steps", 50, "--device", "cpu", "--dry-run"]
    result = electra("pretrain", *options, "--model-dir", tmp_path / "run")
    assert result.code == 0
    assert "10000" in result.stderr.replace(",", "")
    assert "train.steps 50" in result.stderr


WSD = ("--preset", "tiny", "--set", "optimizer.schedule=wsd")


class TestBadInput:
    """What can be decided without devices, and costs no start of TensorFlow."""

    def refuse(self, electra: Electra, tmp_path: Path, code: int, *words: str, options=()):
        fixed = ["--model-dir", tmp_path / "run", "--json"]
        electra("pretrain", *fixed, *options).failed(code, *words)
        assert not (tmp_path / "run").exists()

    @pytest.mark.parametrize(
        ("options", "code", "words"),
        [
            (["--preset", "smal1"], 2, ["smal1", "small"]),
            (["--preset", "small"], 2, ["--data", "prepare-data"]),
            (["--preset", "tiny", "--set", "train.stepz=3"], 2, ["train.stepz", "train.steps"]),
            (["--preset", "tiny", "--set", "train.steps=many"], 2, ["train.steps", "many"]),
            (["--preset", "tiny", "--steps", "many"], 2, ["--steps", "many"]),
            ([*WSD, "--set", "train.steps="], 2, ["train.steps (--set) is empty", "write null"]),
            (
                ["--preset", "tiny", "--set", "train.steps=null"],
                2,
                ["train.steps null", "schedule electra"],
            ),
            (
                [*WSD, "--set", "train.steps=null", "--stop-at-step", "0"],
                2,
                ["--stop-at-step 0: expected an integer, at least 1", "--stop-at-step 1000"],
            ),
            (
                [*WSD, "--gin-param", "ElectraSchedule.power = 2.0"],
                2,
                ["gin binds ElectraSchedule", "optimizer.schedule is wsd"],
            ),
            (["--preset", "tiny", "--no-such-option"], 2, ["--no-such-option"]),
            (["--preset", "tiny", "--device", "cuda"], 2, ["cuda", "gpu"]),
            (["--preset", "tiny", "--stop-at-step", 10**6], 2, ["lies past", "--steps 1000000"]),
            (
                ["--preset", "tiny", "--batch-size", 30, "--device", "cpu:4"],
                2,
                ["30", "4 replicas", "32"],
            ),
            (["--preset", "tiny", "--config", "nowhere.yaml"], 66, ["nowhere.yaml"]),
            (["--preset", "tiny", "--data", "nowhere"], 66, ["nowhere", "prepare-data"]),
        ],
    )
    def test_usage(
        self, electra: Electra, tmp_path: Path, options: list, code: int, words: list[str]
    ) -> None:
        self.refuse(electra, tmp_path, code, *words, options=options)

    @pytest.mark.parametrize("command", ["pretrain", "dry run", "evaluate", "debug data"])
    def test_data_that_is_not_there(
        self, electra: Electra, trained: Path, tmp_path: Path, command: str
    ) -> None:
        """One code everywhere, and what to type."""
        gone = tmp_path / "gone"
        start = ["pretrain", "--preset", "tiny", "--model-dir", tmp_path / "run", "--data", gone]
        words: list[object] = {
            "pretrain": start,
            "dry run": [*start, "--dry-run"],
            "evaluate": ["evaluate", trained, "--data", gone, "--device", "cpu"],
            "debug data": ["debug", "data", gone],
        }[command]  # type: ignore[assignment]
        electra(*words, "--json").failed(66, f"there is no folder {gone}", f"--output {gone}")

    def test_data_of_a_run_that_is_gone(
        self, electra: Electra, trained: Path, tmp_path: Path
    ) -> None:
        run = tmp_path / "run"
        shutil.copytree(trained, run)
        file, gone = run / "config.yaml", tmp_path / "gone"
        text = file.read_text()
        path = next(line for line in text.splitlines() if line.startswith("  path: "))
        file.write_text(text.replace(path, f"  path: {gone}"))
        again = [f"--vocab {run / 'data/vocab.txt'} --lowercase --strip-accents", f"{gone}"]
        again += ["--sequence-length 32 --packing reference --seed 0 --validation-fraction 0.1"]
        again += ["the place it has now with --data, a folder or a URL"]
        start = ["pretrain", "--preset", "tiny", "--steps", 12, *settings(), "--json"]
        electra(*start, "--model-dir", run).failed(66, *again)
        electra(*start, "--model-dir", run, "--data", gone).failed(66, *again)
        electra("evaluate", run, "--device", "cpu", "--json").failed(66, *again)

    def test_a_run_folder_for_data(self, electra: Electra, trained: Path, data: Path) -> None:
        start = ["pretrain", "--preset", "tiny", "--json", "--data", trained]
        electra(*start).failed(
            65, f"{trained} is no prepared data: it is a run folder", f"its data is in {data}"
        )

    def test_data_of_another_length(self, electra: Electra, tmp_path: Path, data: Path) -> None:
        options = ["--preset", "tiny", "--data", data]
        words = ["data.sequence_length", "128", "32"]
        self.refuse(electra, tmp_path, 2, *words, options=options)

    def test_another_vocabulary_size(self, electra: Electra, tmp_path: Path, data: Path) -> None:
        options = ["--preset", "tiny", "--data", data, *settings("model.vocab_size=700")]
        self.refuse(electra, tmp_path, 2, "model.vocab_size", "700", options=options)

    def test_a_folder_that_is_no_run(self, electra: Electra, tmp_path: Path, data: Path) -> None:
        (tmp_path / "thesis.txt").write_text("years of work")
        options = ["--preset", "tiny", "--data", data, "--model-dir", tmp_path, *settings()]
        electra("pretrain", *options, "--json").failed(73, "config.yaml")
        assert (tmp_path / "thesis.txt").read_text() == "years of work"

    def test_read_only_model_dir(self, electra: Electra, data: Path, tmp_path: Path) -> None:
        folder = tmp_path / "disk"
        folder.mkdir()
        options = ["--preset", "tiny", "--data", data, "--model-dir", folder / "run"]
        with read_only(folder):
            electra("pretrain", *options, *settings(), "--json").failed(73, str(folder))

    def test_missing_gpu_lists_what_is_there(
        self, electra: Electra, tmp_path: Path, data: Path
    ) -> None:
        options = ["--preset", "tiny", "--data", data, *settings(), "--device", "gpu:7"]
        electra("pretrain", *options, "--model-dir", tmp_path / "run", "--json").failed(
            2, "gpu:7", "cpu"
        )

    @pytest.mark.parametrize(
        ("device", "words"),
        [
            ("multi-worker", ["'multi-worker'", "--device auto --cluster tf-config"]),
            ("cpu:2", ["'cpu:2' in a cluster", "--device cpu"]),
            ("tpu", ["'tpu' in a cluster", "--cluster none"]),
        ],
    )
    def test_devices_of_a_cluster(
        self, electra: Electra, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
        device: str, words: list[str],
    ) -> None:  # fmt: skip
        monkeypatch.setenv("TF_CONFIG", TWO_WORKERS)
        options = ["--preset", "tiny", "--data", data, *settings(), "--device", device]
        run = tmp_path / "run"
        electra("pretrain", *options, "--model-dir", run, "--dry-run", "--json").failed(2, *words)

    def test_environment_variables(
        self, electra: Electra, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("ELECTRA_TRAIN__STEPS", "few")
        words = ["ELECTRA_TRAIN__STEPS", "few"]
        self.refuse(electra, tmp_path, 2, *words, options=["--preset", "tiny"])
