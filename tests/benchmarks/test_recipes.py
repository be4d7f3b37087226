"""benchmarks/recipes.py: what a budget pays for, what is kept, what results say; little trains."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import recipes
from recipes_parts.book import config_of, most_steps, read_book
from recipes_parts.commands import CommandError, found_in
from recipes_parts.results import Results, write
from recipes_parts.work import seconds_of

from electra_cli.corpus.shards.manifest import load_manifest
from electra_cli.modeling.budget import budget_of, flops_by_step
from tests.conftest import SMALL, Electra

BOOK = """
preset: tiny
data: {packing: reference}
set: {optimizer.warmup_steps: "{steps:0.1}", train.batch_size: 8, data.sequence_length: 32}
downstream: {words: "--task tagging --train {labelled}/words.txt --dev {labelled}/words.txt"}
reference: plain
recipes:
  plain: {}
  ramp: {set: {train.batch_schedule: "2:{rows:0.25}"}}
  frozen:
    first: {share: 0.25, set: {objective.name: mlm}}
    set: {generator.size: 1, generator.embedding_size: 64, generator.sharing: none,
          generator.frozen: "{first}"}
  untrained: {steps: 1}
"""
WORDS = "cat NOUN\nsits VERB\n\ndogs NOUN\n"


class Fake:
    """Answers as commands do, and may fail.

    Args:
      fails: By the number of the command, its exit code.
    """

    def __init__(self, **fails: int) -> None:
        self.calls: list[list[str]] = []
        self._fails = {int(number[1:]): code for number, code in fails.items()}

    def __call__(self, *arguments: object) -> dict[str, Any]:
        words = [str(argument) for argument in arguments]
        self.calls.append(words)
        if code := self._fails.get(len(self.calls)):
            raise CommandError(code, f"exit code {code}: the loss was not finite")
        if words[0] == "evaluate":
            return {"checkpoints": [{"metrics": {"masked_lm_loss": 6.0}}]}
        if words[0] == "finetune":
            return {"columns": [{"role": "random", "mean": 0.1}, {"role": "model", "mean": 0.7}]}
        steps = next(int(w.split("=")[1]) for w in words if w.startswith("train.steps="))
        batches = [int(w.split("=")[1]) for w in words if w.startswith("train.batch_size=")]
        rows = batches[-1] if batches else 32
        return {
            "sequences_per_second": rows * 10.0,  # an update takes a tenth of a second
            "final_step": steps,
            "flops": steps * 1e6,
            "goodput": {"productive_seconds": steps / 10, "process_seconds": steps / 5},
        }

    def of(self, command: str) -> list[list[str]]:
        return [words for words in self.calls if words[0] == command]


Call = Callable[..., int]


@pytest.fixture
def call(data: Path, tmp_path: Path) -> Call:
    """Runs the benchmark over prepared data with recipes of its own."""
    file = tmp_path / "recipes.yaml"
    file.write_text(BOOK)
    (tmp_path / "words.txt").write_text(WORDS)
    fixed = [str(data), "--output", str(tmp_path / "out"), "--recipes", str(file)]

    def run(*options: str, electra: Any = None) -> int:
        return recipes.main([*fixed, "--labelled", str(tmp_path), *options], electra or Fake())

    return run


@pytest.fixture(autouse=True)
def _signals_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recipes.signal, "signal", lambda number, handler: None)


def test_a_budget_pays_for_whole_updates() -> None:
    for budget, steps in ((3.0, 3), (3.9, 3), (1000.0, 1000), (0.1, 1)):
        assert most_steps(lambda number: 1.0 * number, budget) == steps
    ramp = config_of("tiny", {"train.batch_schedule": "8:16,16:32"})  # 2 updates, 1, then of 32
    speeds = {8: 1.0, 16: 2.0, 32: 4.0}
    for steps, seconds in ((0, 0), (1, 1), (2, 2), (3, 4), (5, 12)):
        assert seconds_of(ramp, steps, speeds) == seconds


def test_recipes_that_are_shipped_can_be_trained(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    book = read_book(recipes.RECIPES)
    assert book.settings("frozen", 100, weights=Path("a/b"))["generator.frozen"] == "a/b"
    assert book.settings("batch-ramp", 1000)["train.batch_schedule"] == "8:1600,16:6400"
    fake, output = Fake(), tmp_path / "none"
    (tmp_path / "text").write_text("A cat sits.")
    text = [str(tmp_path / "text"), "--output", str(output), "--dry-run"]
    assert recipes.main([*text, "--flops", "1e13", "--seeds", "3, 4,3"], fake) == 0
    assert (fake.calls, output.exists()) == ([], False)
    lines = dict(line.split(": ", 1) for line in capsys.readouterr().out.splitlines())
    vocabulary = {"model.vocab_size": str(book.data.vocab_size)}
    config = config_of("tiny", book.settings("reference", 100) | vocabulary)
    assert recipes.main([*text, "--flops", "1e6"], fake) == 1
    assert "recipe batch-ramp, within this budget" in capsys.readouterr().err
    steps = math.floor(1e13 / (budget_of(config).flops_per_token * 32 * 128))
    assert lines["reference"] == f"about {steps:,} steps; 2 of 2 runs to do"
    assert lines[f"{2 * len(book.recipes)} runs"].startswith("hours")


def test_what_was_ended_goes_on(
    call: Call, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ("--minutes", "1", "--seeds", "0,1", "--only", "plain,ramp")
    broken = Fake(_9=75)  # three rounds of two trials, pretrain, evaluate, finetune
    assert call(*options, electra=broken) == 1
    assert "exit code 75" in capsys.readouterr().err
    again = Fake(_7=70)  # 3 of plain, 3 of ramp, pretrain
    assert call(*options, electra=again) == 0
    trials, (first, ramp, *_) = broken.of("pretrain")[:6], again.of("pretrain")
    assert first == broken.calls[6]  # the same steps, without another trial
    assert "train.steps=600" in first
    assert "optimizer.warmup_steps=60" in first
    rounds = [next(w for w in words if w.startswith("train.batch_size=")) for words in trials]
    assert rounds == ["train.batch_size=8", "train.batch_size=2"] * 3  # of 8 rows both have
    # 600 updates in any case, a quarter of 4,800 rows by two each.
    assert {"train.batch_schedule=2:1200", "train.steps=600"} <= set(ramp)
    shown = capsys.readouterr().out
    table_lines = [line for line in shown.splitlines() if "|" in line]
    lines = {line.split("|")[1].strip(): line for line in table_lines[::-1]}  # of the first table
    assert "2, 1 diverged | 600 | 6.00e8 | 1.0 | 6.0000 | – | 0.7000 |" in lines["plain"]
    assert "| 2 | 600 |" in lines["ramp"]
    assert "Of 0 comparisons" not in shown
    assert (tmp_path / "out" / "plot.png").stat().st_size > 1000
    done = Fake()
    assert call(*options, electra=done) == 0
    assert done.calls == []
    assert call(*options, "--dry-run", electra=done) == 0
    assert "0 runs: 0.0 hours" in capsys.readouterr().out


def test_a_run_that_goes_before_takes_its_share(call: Call, tmp_path: Path) -> None:
    fake = Fake()
    assert call("--minutes", "1", "--seeds", "5", "--only", "frozen", electra=fake) == 0
    *_, first_trial, trial, first, last = fake.of("pretrain")
    folder = tmp_path / "out" / "runs" / "frozen" / "seed-5-first"
    assert f"generator.frozen={first_trial[first_trial.index('--model-dir') + 1]}" in trial
    assert {"train.steps=150", "objective.name=mlm", "train.seed=5", str(folder)} <= set(first)
    assert f"generator.frozen={folder}" in last
    assert {"train.steps=450", "train.seed=5"} <= set(last)
    (found,) = Results(tmp_path / "out").all(["frozen"])
    assert (found.steps, found.seconds, found.flops) == (600, 60, 600e6)


def test_a_recipe_may_have_steps_of_its_own(
    call: Call, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Such as none to speak of: what the tasks are without pretraining. It needs no trial."""
    fake = Fake()
    options = ("--minutes", "1", "--seeds", "0", "--only", "untrained")
    assert call(*options, "--dry-run", electra=fake) == 0
    assert "untrained: 1 steps; 1 of 1 runs to do" in capsys.readouterr().out
    assert call(*options, electra=fake) == 0
    assert [words[0] for words in fake.calls] == ["pretrain", "evaluate", "finetune"]
    assert "train.steps=1" in fake.calls[0]
    assert "Not of equal wall clock" not in capsys.readouterr().out
    changed = (tmp_path / "recipes.yaml").read_text().replace("steps: 1}", "steps: 2}")
    (tmp_path / "recipes.yaml").write_text(changed)
    assert call(*options, electra=fake) == 1
    assert "another recipe untrained" in capsys.readouterr().err


def test_all_is_alike_for_recipes_of_another_packing(tmp_path: Path, data: Path) -> None:
    """The vocabulary, which decides the steps, is that of the data, and rows held out are the same.

    Every recipe is measured by a command of its own, which computes in float32.
    """

    class Preparing(Fake):
        def __call__(self, *arguments: object) -> dict[str, Any]:
            if arguments[0] != "prepare-data":
                return super().__call__(*arguments)
            self.calls.append([str(argument) for argument in arguments])
            shutil.copytree(data, Path(str(arguments[3])))
            return {}

    (tmp_path / "text").write_text("A cat sits.")
    book = BOOK.replace("reference}", "full, sequence_length: 32}")
    book += "  rows: {packing: reference}\n"
    (tmp_path / "recipes.yaml").write_text(book)
    fake, out = Preparing(), tmp_path / "out"
    options = ["--recipes", str(tmp_path / "recipes.yaml"), "--only", "plain,rows", "--seeds", "0"]
    text = [str(tmp_path / "text"), "--output", str(out), *options]
    assert recipes.main([*text, "--flops", "1e12"], fake) == 0
    assert [words[0] for words in fake.calls] == [
        "prepare-data", "prepare-data", "pretrain", "evaluate", "pretrain", "evaluate",
    ]  # fmt: skip
    main, other = fake.of("prepare-data")
    assert main[4:8] == ["--vocab-size", "8000", "--packing", "full"]
    assert other[4:8] == ["--vocab", str(out / "data-full"), "--packing", "reference"]
    plain, rows = fake.of("pretrain")
    assert (plain[4], rows[4]) == (str(out / "data-full"), str(out / "data-reference"))
    config = config_of("tiny", {"model.vocab_size": "600", "data.sequence_length": "32"})
    steps = math.floor(1e12 / (budget_of(config).flops_per_token * 8 * 32))
    assert f"train.steps={steps}" in plain
    assert plain[9:] == rows[9:]
    for words, folder in zip(fake.of("evaluate"), (plain[6], rows[6]), strict=True):
        assert words[1:4] == [folder, "--data", str(out / "data-full")]


def test_an_elapsed_time_is_of_all_calls(
    call: Call, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Of failed commands too; of a call that was killed the run itself knows more."""
    clock = [0.0]
    monkeypatch.setattr("recipes_parts.work.time.monotonic", lambda: clock[0])

    class Slow(Fake):
        def __call__(self, *arguments: object) -> dict[str, Any]:
            clock[0] += {"pretrain": 100, "evaluate": 3, "finetune": 20}[str(arguments[0])]
            return super().__call__(*arguments)

    options = ("--flops", "1e9", "--seeds", "0,1", "--only", "plain")
    assert call(*options, electra=Slow(_3=75)) == 1  # the first fine-tuning
    assert call(*options, electra=Slow()) == 0
    first, second = Results(tmp_path / "out").all(["plain"])
    assert (first.elapsed, second.elapsed) == (200 + 6 + 40, 123)
    write(tmp_path / "out" / "spent" / "plain" / "seed-2.json", {"finetune": 7.0})

    class Quick(Slow):
        def __call__(self, *arguments: object) -> dict[str, Any]:
            found = super().__call__(*arguments)
            return found | {"goodput": {"productive_seconds": 9, "process_seconds": 5000}}

    assert call("--flops", "1e9", "--seeds", "2", "--only", "plain", electra=Quick()) == 0
    assert Results(tmp_path / "out").all(["plain"])[2].elapsed == 5000 + 3 + 27


def test_a_signal_is_no_fault(call: Call, capsys: pytest.CaptureFixture[str]) -> None:
    def interrupted(*arguments: object) -> dict[str, Any]:
        raise KeyboardInterrupt

    assert call("--minutes", "1", electra=interrupted) == 130
    assert "the same command goes on" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("before", "options", "words"),
    [
        (["--minutes", "1"], ["--minutes", "2"], ["about.json", "another --output"]),
        (
            [],
            ["--flops", "1e9", "--only", "plain, none"],
            ["'none'", "plain, ramp, frozen, untrained"],
        ),
        ([], ["--flops", "1e9", "--seeds", "1,a"], ["--seeds '1,a'", "numbers"]),
        ([], ["--flops", "1e9", "--labelled", "none"], ["--labelled none"]),
        ([], ["--flops", "1e9", "--device", "cpu:x"], ["recipe plain", "cpu:x"]),
    ],
)
def test_refused(
    before: list[str],
    options: list[str],
    words: list[str],
    call: Call,
    capsys: pytest.CaptureFixture[str],
) -> None:
    if before:
        assert call(*before, "--only", "plain", "--seeds", "0") == 0
    assert call(*options) == 1
    error = capsys.readouterr().err
    assert all(word in error for word in words), error


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("train.batch_size: 8", "train.batch_size: 16"), ["plans/plain.json", "another recipe"]),
        (("train.batch_size: 8", "train.batch: 8"), ["train.batch_size"]),
        (("reference: plain", "reference: simple"), ["simple", "plain"]),
    ],
)
def test_another_book_is_refused(
    change: tuple[str, str],
    words: list[str],
    call: Call,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    options = ("--minutes", "1", "--only", "plain", "--seeds", "0")
    assert call(*options) == 0
    (tmp_path / "recipes.yaml").write_text(BOOK.replace(*change))
    assert call(*options, "--seeds", "1") == 1
    error = capsys.readouterr().err
    assert all(word in error for word in words), error


RAMP = '{train.batch_schedule: "2:{rows:0.25}"}'


@pytest.mark.parametrize(
    ("was", "now", "words"),
    [
        ("packing: reference", "packing: full", ["--packing reference", "the text instead"]),
        ("packing: reference", "packing: ful", ["recipes.yaml", "'reference' or 'full'"]),
        (RAMP + "}", "{}, packing: full}", ["--packing reference", "ramp needs another"]),
        (RAMP, "{data.sequence_length: 64}", ["recipe ramp", "64", "data.sequence_length: 32"]),
        (RAMP, "{model.document_attention: true}", ["recipe ramp", "packing: full, in `data`"]),
        (RAMP, "{train.best_metric: loss}", ["recipe ramp", "train.best_metric"]),
        ("size: 1,", "size: 0.25,", ["recipe frozen", "generator hidden_size"]),
        ("  ramp:", "  ra/mp:", ["'ra/mp'"]),
        ("  ramp: {", "  ramp: [", ["recipes.yaml: line ", "expected"]),
        ("  ramp: {set", "  ramp: {st", ["recipes.yaml: recipes.ramp.st"]),
        ("{words:", "{disc_auc:", ["downstream disc_auc", "another name"]),
        ("--task tagging", "--task taggin", ["downstream words", "taggin"]),
        ("--task tagging", "--task tagging --epoch 1", ["downstream words", "--epochs"]),
        ("--task tagging", "--task tagging --layer-decay no", ["downstream words", "layer_decay"]),
        ("--task tagging", "--task tagging --dry-run", ["downstream words", "--dry-run"]),
        ("--task tagging", "--task classification", ["downstream words", "words.txt"]),
        ("--dev {labelled}/words.txt", "--dev {labelled}/no.txt", ["downstream words", "no.txt"]),
        (" --dev {labelled}/words.txt", "", ["downstream words", "--dev FILE"]),
    ],
)
def test_what_is_known_is_said_before_the_first_run(
    was: str,
    now: str,
    words: list[str],
    call: Call,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """By --dry-run too, and also of recipes that would come last."""
    assert was in BOOK
    (tmp_path / "recipes.yaml").write_text(BOOK.replace(was, now))
    for more in ([], ["--dry-run"]):
        fake = Fake()
        assert call("--flops", "1e9", "--seeds", "0", *more, electra=fake) == 1
        assert fake.calls == []
        error = capsys.readouterr().err
        assert all(word in error for word in words), error


def test_a_command_says_why_it_failed() -> None:
    assert found_in(0, '{"a": 1}') == {"a": 1}
    with pytest.raises(CommandError, match="exit code 66: no such file"):
        found_in(66, json.dumps({"error": {"message": "no such file"}}))
    with pytest.raises(CommandError, match="exit code 1: Traceback"):
        found_in(1, "Traceback")


@pytest.mark.slow
def test_commands_are_those_of_electra(
    call: Call, electra: Electra, tmp_path: Path, data: Path
) -> None:
    small = "".join(f"  {text.replace('=', ': ', 1)}\n" for text in SMALL)
    (tmp_path / "recipes.yaml").write_text(
        "preset: tiny\ndata: {packing: reference}\nreference: plain\nrecipes: {plain: {}}\n"
        f"set:\n{small}"
    )

    def command(*arguments: object) -> dict[str, Any]:
        found = electra(*arguments, "--json", "--quiet")
        return found_in(found.code, found.stdout)

    shrunk = dict(text.split("=") for text in SMALL)
    vocabulary = str(load_manifest(data).vocab.size)
    six = flops_by_step(config_of("tiny", shrunk | {"model.vocab_size": vocabulary}))(6)
    assert call("--flops", f"{six:.0f}", "--seeds", "3", electra=command) == 0
    (found,) = Results(tmp_path / "out").all(["plain"])
    assert (found.steps, found.flops) == (6, six)
    assert found.seconds
    assert 5 < (found.metrics["masked_lm_loss"] or 0) < 7
