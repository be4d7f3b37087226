"""benchmarks/gpu.py without a GPU: its parts, its processes, what is kept."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import gpu
import pytest
from gpu_parts import bench as benches
from gpu_parts import parts, table
from gpu_parts.results import Results
from gpu_parts.sizes import DRY, ON_A_CARD, Size, job_of
from gpu_parts.workers import Worker, WorkerError

from tests.places import ROOT

ABOUT = {"device": "cpu", "cards": None, "dry_run": False}

SERVER = """
import sys, time
sys.path.insert(0, sys.argv[1])
from gpu_parts.workers import serve
def fail(text): raise RuntimeError(text)
def die(): sys.exit(3)
def noise(): print("a library says something"); return "said"
serve(lambda: {"double": lambda value: 2 * value, "fail": fail, "die": die, "noise": noise,
               "sleep": lambda seconds: time.sleep(seconds)})
"""


@pytest.fixture
def worker(tmp_path: Path) -> Any:
    command = [sys.executable, "-c", SERVER, str(ROOT / "benchmarks")]
    found = Worker(command, environment=dict(os.environ), log=tmp_path / "log.txt")
    yield found
    found.end()


def test_a_process_answers_fails_dies_and_is_started_again(worker: Worker, tmp_path: Path) -> None:
    early = worker.send("double", value=4)
    assert worker.ask("double", 60, value="ab") == "abab"
    assert worker.receive(early, 60) == 8  # in whatever order they are asked for
    assert worker.ask("noise", 60) == "said"
    for text, memory in (("wrong", False), ("RESOURCE_EXHAUSTED: of the card", True)):
        early = worker.send("double", value=1)
        assert worker.owes(early)
        with pytest.raises(WorkerError, match=text.split(":")[0]) as caught:
            worker.ask("fail", 60, text=text)
        assert caught.value.memory == memory
        assert not worker.is_running  # CUDA may have had enough of it
        assert not worker.owes(early)  # what it had prepared has gone with it
    with pytest.raises(WorkerError, match="has ended"):
        worker.ask("die", 60)
    assert not worker.is_running
    assert worker.ask("double", 60, value=1) == 2
    with pytest.raises(WorkerError, match="no answer in 0 s"):
        worker.ask("sleep", 0.2, seconds=600)
    assert not worker.is_running
    assert not worker.is_busy
    assert "a library says something" in (tmp_path / "log.txt").read_text()


class Fake:
    """A side: steps of a length, and what preparing a size comes to."""

    def __init__(self, seconds: float, *prepared: bool) -> None:
        self.seconds, self._prepared, self.ended = seconds, list(prepared), 0
        self.is_busy, self.lasts = False, 100

    def prepare(self) -> dict[str, Any]:
        if not self._prepared.pop(0):
            raise WorkerError("out of memory", memory=True)
        return dict.fromkeys(("early_loss", "first_step_seconds"), 45.0) | {
            "parameters": 100,
            "flops_per_token": 10.0,
        }

    def receive(self, question: int, seconds: float) -> dict[str, Any]:
        return self.prepare()

    def ask(self, call: str, seconds: float, /, **arguments: Any) -> Any:
        if self.lasts == 0:
            raise WorkerError("an illegal address")
        self.lasts -= 1
        return {
            "seconds": self.seconds * arguments.get("steps", 0),
            "loss": 1.0,
            "memory_bytes": 2**30,
        }

    def end(self) -> None:
        self.ended += 1


class FakeBench(benches.Bench):
    """A bench whose sides are made up."""

    def __init__(self, ours: Fake, theirs: Fake) -> None:
        self.ours, self.theirs, self.effort = ours, theirs, benches.DRY  # type: ignore[assignment]
        self.ahead = []
        self.begin(60)

    def prepare_ours(self, size: Size) -> dict[str, Any]:
        return self.ours.prepare()  # type: ignore[attr-defined]

    def prepare_theirs(self, size: Size) -> int:
        return 1


@pytest.mark.parametrize(
    ("ours", "theirs", "ended", "ratio", "at_once"),
    [
        ((True,), (True,), 0, 2.0, True),
        ((False, True), (True,), 1, 2.0, True),  # ours fits once PyTorch has given back its own
        ((True,), (False, True), 1, 2.0, False),  # PyTorch's fits alone
        ((True,), (False, False), 1, None, False),
    ],
)
def test_a_side_without_memory_is_measured_alone(
    ours: tuple[bool, ...],
    theirs: tuple[bool, ...],
    ended: int,
    ratio: float | None,
    at_once: bool,
) -> None:
    bench = FakeBench(Fake(0.1, *ours), Fake(0.2, *theirs))
    rates = {"ours": {"matmul_flops": {"bfloat16": 51200.0}}}
    found = parts.speed(DRY[0], bench, {"environment": rates})
    assert bench.ours.ended + bench.theirs.ended == ended  # type: ignore[attr-defined]
    assert found["ours"]["sequences_per_second"] == pytest.approx(80)
    assert found["ours"]["peak_share"] == pytest.approx(8 * 32 * 10.0 / 0.1 / 51200.0)
    assert (found["ratio"] and found["ratio"]["median"]) == (ratio and pytest.approx(ratio))
    assert found["at_once"] == at_once
    said = table.text({"speed-x": found})
    assert "80.0" in said
    assert ("2.00 (2.00 to 2.00)" in said) == (ratio is not None)
    assert ("out of memory" in said) == (ratio is None)


def test_a_side_that_does_other_work_is_refused() -> None:
    bench = FakeBench(Fake(0.1, True), Fake(0.2, True))
    with pytest.raises(WorkerError, match=r"ours begins at a loss of 45.0, not 10\.3"):
        parts.speed(Size("tiny", 32, 8, ("objective.disc_weight=0.0",)), bench, {})


def test_parts_are_kept_one_by_one_and_only_what_is_missing_runs(tmp_path: Path) -> None:
    ran: list[str] = []

    def part(name: str, least: float = 0.0, fault: Exception | None = None) -> parts.Part:
        def run(bench: benches.Bench, done: dict[str, Any]) -> dict[str, Any]:
            ran.append(name)
            kept = json.loads((tmp_path / "results.json").read_text())["parts"] if done else {}
            assert list(kept) == list(done)  # all before it is on the disk
            if fault is not None:
                raise fault
            return {"ok": True}

        return parts.Part(name, 60, least, run)

    def measure(*chosen: parts.Part) -> dict[str, Any]:
        ran.clear()
        bench = FakeBench(Fake(0.1), Fake(0.1))
        results = Results(tmp_path, ABOUT)
        gpu.measure(list(chosen), bench, results, time.monotonic() + 30)
        return json.loads((tmp_path / "results.json").read_text())

    lost, wrong = WorkerError("no answer", memory=True), ValueError("no kernel")
    first = measure(part("a"), part("b", fault=lost), part("c", fault=wrong), part("d", least=99))
    assert ran == ["a", "b", "c"]
    assert first["parts"]["b"]["error"] == "no answer"
    assert first["parts"]["c"]["error"] == "ValueError: no kernel"
    assert "no kernel" in (tmp_path / "log.txt").read_text()
    second = measure(part("a"), part("b"), part("c"), part("d"))
    assert ran == ["b", "c", "d"]
    assert [one["call"] for one in second["parts"].values()] == [0, 1, 1, 1]
    assert len(second["calls"]) == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == ["log.txt", "results.json"]


def test_parts_come_in_the_order_of_their_worth() -> None:
    all_parts = parts.parts_of(ON_A_CARD, 2)
    names = [part.name for part in all_parts]
    assert names[:4] == ["environment", "golden", "equal-replicas", "equal-runs"]
    assert names[4:6] == ["speed-small-128x128", "speed-base-64x512"]
    assert len(set(names)) == len(names)
    assert gpu.chosen_of(all_parts, None) == all_parts
    chosen = gpu.chosen_of(all_parts, "golden,profile,speed-base-64")
    assert [part.name for part in chosen] == [
        "golden",
        "speed-base-64x512",
        "profile-base-64x512",
        "profile-small-128x128",
    ]
    for size in (*ON_A_CARD, *DRY):
        assert size.config.model.hidden_dropout == 0.1  # on both sides
        assert json.loads(json.dumps(job_of(size.config)))["train"]["batch_size"] == size.batch


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--minutes", "nan"], "invalid minutes value: 'nan'"),
        (["--minutes", "-1"], "invalid minutes value: '-1'"),
        (["--parts", "golden,goldne"], "--parts goldne: the parts are environment, golden"),
        (["--dry-run"], "results.json has results of --device cpu, not --device cpu --dry-run"),
        (["--device", "gpu"], "results.json has results of --device cpu, not --device gpu"),
        (["--device", "cpu", "--out", "{out}/log.txt"], "log.txt'; choose another folder"),
        (["--device", "cpu", "--minutes", "0.01", "--out", "{out}/new"], "nothing was measured"),
    ],
)
def test_what_cannot_be_measured_is_refused(
    options: list[str],
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    Results(tmp_path, ABOUT).keep("input", {}, 1.0)
    (tmp_path / "log.txt").touch()
    given = [option.format(out=tmp_path) for option in options]
    monkeypatch.setattr(sys, "argv", ["gpu.py", "--out", str(tmp_path), *given])
    with pytest.raises(SystemExit) as caught:
        gpu.main()
    assert caught.value.code != 0
    assert said in capsys.readouterr().err + str(caught.value.code)


def test_results_of_two_cards_are_not_mixed(tmp_path: Path) -> None:
    one, other = (ABOUT | {"device": "gpu", "cards": f"name\nNVIDIA {x}"} for x in ("L4", "T4"))
    Results(tmp_path, one).keep("input", {}, 1.0)
    assert Results(tmp_path, one).is_done("input")
    said = r"results of --device gpu \(NVIDIA L4\), not --device gpu \(NVIDIA T4\)"
    with pytest.raises(ValueError, match=said):
        Results(tmp_path, other)


@pytest.mark.parametrize("text", ["{", "{}", "[]", '{"parts": {}, "calls": [1]}'])
def test_damaged_results_are_set_aside(
    text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "results.json").write_text(text)
    results = Results(tmp_path, ABOUT)
    assert (results.parts, results.is_done("input")) == ({}, False)
    assert (tmp_path / "results.damaged.json").read_text() == text
    assert "results.json was damaged; it is now results.damaged.json" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("found", "done"),
    [
        ({"ok": False}, True),
        ({"error": "no answer", "memory": False}, False),
        ({"ours": {}, "theirs": {"error": "it does not fit", "memory": True}}, True),
        ({"ours": {}, "theirs": {"error": "no torch", "memory": False}}, False),
        ({"cases": {"small": {"theirs": {"error": "no torch", "memory": False}}}}, False),
    ],
)
def test_what_has_failed_is_tried_again(found: dict[str, Any], done: bool, tmp_path: Path) -> None:
    results = Results(tmp_path, ABOUT)
    results.keep("x", found, 1.0)
    assert results.is_done("x") == done


def test_a_part_that_fails_leaves_what_was_measured_before(tmp_path: Path) -> None:
    results = Results(tmp_path, ABOUT)
    failure = {"error": "lost", "memory": False}
    measured = {"ours": {"rate": 2.0}, "theirs": failure}  # so it is tried again
    for found in (failure, measured, failure):
        results.keep("x", found, 1.0)
    assert Results(tmp_path, ABOUT).parts["x"]["ours"] == {"rate": 2.0}


@pytest.mark.parametrize("lasts", [0, 2])  # until its first answer; within the windows
def test_without_pytorch_what_is_ours_is_kept(lasts: int) -> None:
    bench = FakeBench(Fake(0.1, True), Fake(0.2, True))
    bench.theirs.lasts = lasts  # type: ignore[attr-defined]
    found = parts.speed(DRY[0], bench, {"environment": {"ours": {}, "theirs": {"error": "lost"}}})
    assert found["ours"]["sequences_per_second"] == pytest.approx(80)
    assert found["theirs"] == {"error": "an illegal address", "memory": False}
    assert (found["ratio"], found["at_once"]) == (None, False)
    assert "an illegal address" in table.text({"speed-x": found})


class Telling:
    """A side that says the same to whatever it is asked, or fails."""

    def __init__(self, said: dict[str, Any] | None) -> None:
        self._said = said

    def ask(self, call: str, seconds: float, /, **arguments: Any) -> dict[str, Any]:
        if self._said is None:
            raise WorkerError("No module named 'torch'")
        return dict(self._said)


def test_without_pytorch_versions_and_recorded_values_are_kept(tmp_path: Path) -> None:
    found = {
        "tensorflow": "2.20",
        "built_for": {"cuda_version": "12.5"},
        "libraries": {},
        "matmul_flops": {"bfloat16": 9e14},
        "memory_bytes_per_second": 3e12,
        "job": {},
        "float32": {"disc_loss": 1e-6},
        "bfloat16": {"disc_loss": 1e-3},
    }
    bench = FakeBench(Telling(found), Telling(None))  # type: ignore[arg-type]
    bench.scratch = tmp_path
    done = {"environment": parts.environment(bench, {}), "golden": parts.golden(bench, {})}
    assert done["golden"]["ok"]
    said = table.text(done)
    assert "bfloat16 900.00; memory 3,000 GB/s" in said
    assert "small_like: right, float32 within 1.0e-06" in said
    assert said.count("No module named 'torch'") == 2
    results = Results(tmp_path, ABOUT)
    for name, part in done.items():
        results.keep(name, part, 1.0)
        assert not results.is_done(name)


class Deaf(Worker):
    """A process that hears all questions and answers none."""

    def __init__(self) -> None:
        super().__init__([], environment={}, log=Path(os.devnull))
        self.heard: list[dict[str, Any]] = []

    def send(self, call: str, /, **arguments: Any) -> int:
        self.heard.append(arguments)
        self._open.add(len(self.heard))
        return len(self.heard)


def test_pytorch_prepares_again_what_has_ended_with_its_process(tmp_path: Path) -> None:
    size = Size(DRY[0].preset, DRY[0].length, DRY[0].batch, DRY[0].settings, graphs=True)
    bench = benches.Bench("cpu", benches.Effort(), scratch=tmp_path, log=tmp_path / "log.txt")
    bench.theirs = theirs = Deaf()
    assert [bench.prepare_theirs(size) for _ in range(2)] == [1, 1]
    theirs.end()
    assert bench.prepare_theirs(size) == 2
    assert bench.prepare_theirs(DRY[0]) == 3  # the same one without graphs
    assert [one["compiled"] for one in theirs.heard] == [*[{"mode": "reduce-overhead"}] * 2, {}]


def test_pytorch_gets_along_without_what_tensorflow_needs() -> None:
    import tensorflow as tf

    site = Path(tf.__file__).parents[1]
    given = {
        "PYTHONPATH": f"{site}:/project",
        "LD_LIBRARY_PATH": f"{site}/nvidia/lib",
        "XLA_FLAGS": "--xla",
        "HOME": "/home",
    }
    expected = {"PYTHONPATH": "/project", "HOME": "/home", "USE_TF": "0"}
    assert benches.apart_from_tensorflow(given) == expected


# Names of modules that are not there on a machine for PyTorch, and stand-ins for what is.
IMPORTS = """
import sys
from unittest.mock import MagicMock
for name in ("electra_cli", "pydantic", "tensorflow"):
    sys.modules[name] = None
for name in ("torch", "torch.nn", "transformers"):
    sys.modules[name] = MagicMock()
sys.path.insert(0, sys.argv[1])
from gpu_parts import theirs, workers
print(sorted(theirs.start("cpu")))
"""


def test_pytorchs_side_imports_nothing_of_the_package() -> None:
    command = [sys.executable, "-c", IMPORTS, str(ROOT / "benchmarks")]
    ran = subprocess.run(command, capture_output=True, text=True)
    assert "environment" in ran.stdout, ran.stderr


def test_the_profiler_finds_a_newer_cupti(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LD_LIBRARY_PATH", raising=False)
    assert "LD_LIBRARY_PATH" not in benches.linked_cupti(tmp_path, [str(tmp_path / "none")])
    newer = tmp_path / "site" / "nvidia" / "cu13" / "lib" / "libcupti.so.13"
    newer.parent.mkdir(parents=True)
    newer.touch()
    folder = Path(benches.linked_cupti(tmp_path, [str(tmp_path / "site")])["LD_LIBRARY_PATH"])
    assert (folder / "libcupti.so.12").resolve() == newer
    monkeypatch.setenv("LD_LIBRARY_PATH", str(folder))  # there already: nothing to do
    assert benches.linked_cupti(tmp_path, [])["LD_LIBRARY_PATH"] == str(folder)
