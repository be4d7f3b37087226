"""benchmarks/recipes.py: what a budget pays for, what is kept, what results say; little trains."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import recipes
from recipes_parts import plot, table
from recipes_parts.book import config_of, most_steps, read_book
from recipes_parts.commands import CommandError, found_in
from recipes_parts.compare import difference, figure
from recipes_parts.results import Result, Results
from recipes_parts.work import Budget, Work, seconds_of

from electra_cli.corpus.shards.manifest import load_manifest
from electra_cli.modeling.budget import budget_of, flops_by_step
from tests.conftest import SMALL, Electra

METRICS = ("masked_lm_loss", "disc_auc", "words")
BOOK = """
preset: tiny
data: {packing: reference}
set: {optimizer.warmup_steps: "{steps:0.1}", train.batch_size: 8}
downstream: {words: "--task tagging --train {labelled}/train"}
reference: plain
recipes:
  plain: {}
  ramp: {set: {train.batch_schedule: "2:{rows:0.25}"}}
  frozen:
    first: {share: 0.25, set: {objective.name: mlm}}
    set: {generator.sharing: none, generator.frozen: "{first}"}
"""


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
        if words[0] == "finetune":
            return {"columns": [{"role": "random", "mean": 0.1}, {"role": "model", "mean": 0.7}]}
        steps = next(int(w.split("=")[1]) for w in words if w.startswith("train.steps="))
        batches = [int(w.split("=")[1]) for w in words if w.startswith("train.batch_size=")]
        rows = batches[-1] if batches else 32
        return {
            "sequences_per_second": rows * 10.0,  # an update takes a tenth of a second
            "final_step": steps,
            "flops": steps * 1e6,
            "evaluation": {"masked_lm_loss": 6.0, "disc_auc": None},
            "goodput": {"productive_seconds": steps / 10},
        }

    def of(self, command: str) -> list[list[str]]:
        return [words for words in self.calls if words[0] == command]


Call = Callable[..., int]


@pytest.fixture
def call(data: Path, tmp_path: Path) -> Call:
    """Runs the benchmark over prepared data with recipes of its own."""
    file = tmp_path / "recipes.yaml"
    file.write_text(BOOK)
    fixed = [str(data), "--output", str(tmp_path / "out"), "--recipes", str(file)]

    def run(*options: str, electra: Any = None) -> int:
        return recipes.main([*fixed, "--labelled", str(tmp_path), *options], electra or Fake())

    return run


@pytest.fixture(autouse=True)
def _signals_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recipes.signal, "signal", lambda number, handler: None)


def result(recipe: str, seed: int, **metrics: float | None) -> Result:
    return Result(recipe, seed, 100, 2e12, 60.0, 90.0, dict(metrics))


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
    text = [str(tmp_path / "text"), "--output", str(output), "--dry-run"]
    assert recipes.main([*text, "--flops", "1e13", "--seeds", "3,4"], fake) == 0
    assert (fake.calls, output.exists()) == ([], False)
    lines = dict(line.split(": ", 1) for line in capsys.readouterr().out.splitlines())
    config = config_of("tiny", {"model.vocab_size": str(book.data.vocab_size)})
    steps = math.floor(1e13 / (budget_of(config).flops_per_token * 32 * 128))
    assert lines["reference"] == f"{steps:,} steps; 2 of 2 runs to do"
    assert lines[f"{2 * len(book.recipes)} runs"].startswith("hours")


def test_what_was_ended_goes_on(
    call: Call, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ("--minutes", "1", "--seeds", "0,1", "--only", "plain,ramp")
    broken = Fake(_3=75)  # trial, pretrain, finetune
    assert call(*options, electra=broken) == 1
    assert "exit code 75" in capsys.readouterr().err
    again = Fake(_7=70)  # pretrain, finetune; two trials, pretrain, finetune; pretrain
    assert call(*options, electra=again) == 0
    first, *others = again.of("pretrain")
    assert first == broken.calls[1]  # the same steps, without another trial
    assert "train.steps=600" in first
    assert "optimizer.warmup_steps=60" in first
    for rows, words in ((2, others[0]), (8, others[1])):
        assert f"train.batch_size={rows}" in words
    # 600 updates in any case, a quarter of 4,800 rows by two each.
    assert {"train.batch_schedule=2:1200", "train.steps=600"} <= set(others[2])
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
    _, first, trial, last = fake.of("pretrain")
    folder = tmp_path / "out" / "runs" / "frozen" / "seed-5-first"
    assert {"train.steps=150", "objective.name=mlm", "train.seed=5", str(folder)} <= set(first)
    for words in (trial, last):
        assert f"generator.frozen={folder}" in words
    assert {"train.steps=450", "train.seed=5"} <= set(last)
    (found,) = Results(tmp_path / "out").all(["frozen"])
    assert (found.steps, found.seconds, found.flops) == (600, 60, 600e6)


def test_rows_of_another_packing_are_evaluated_as_those_of_the_reference(
    data: Path, tmp_path: Path
) -> None:
    book = read_book(recipes.RECIPES)
    results = Results(tmp_path)
    for packing in ("reference", "full"):
        shutil.copytree(data, tmp_path / f"data-{packing}")

    def refusing(*arguments: object) -> dict[str, Any]:
        if arguments[0] != "evaluate":
            return Fake()(*arguments)
        assert arguments[3] == tmp_path / "data-reference"
        if "own-document" in str(arguments[1]):
            raise CommandError(65, "rows of one document with a [SEP] in it")
        return {"checkpoints": [{"metrics": {"masked_lm_loss": 5.5, "disc_auc": 0.6}}]}

    work = Work(
        book, corpus=tmp_path / "text", labelled=None, budget=Budget(flops=1e12), results=results,
        electra=refusing, device="cpu",
    )  # fmt: skip
    for name, loss in (("reference", 6.0), ("full-rows", 5.5), ("full-rows-own-document", None)):
        assert work.run(name, 0).metrics["masked_lm_loss"] == loss


def test_a_signal_is_no_fault(call: Call, capsys: pytest.CaptureFixture[str]) -> None:
    def interrupted(*arguments: object) -> dict[str, Any]:
        raise KeyboardInterrupt

    assert call("--minutes", "1", electra=interrupted) == 130
    assert "the same command goes on" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("before", "options", "words"),
    [
        (["--minutes", "1"], ["--minutes", "2"], ["about.json", "another --output"]),
        ([], ["--flops", "1e9", "--only", "none"], ["none", "plain, ramp, frozen"]),
        ([], ["--flops", "1e9", "--seeds", "a"], ["'a'"]),
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
        (("packing: reference", "packing: full"), ["--packing reference", "the text instead"]),
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
    if "packing" not in change[0]:
        assert call(*options) == 0
    (tmp_path / "recipes.yaml").write_text(BOOK.replace(*change))
    assert call(*options, "--seeds", "1") == 1
    error = capsys.readouterr().err
    assert all(word in error for word in words), error


def test_differences_are_of_pairs() -> None:
    found = [
        *(result("a", seed, disc_auc=value) for seed, value in enumerate((0.5, 0.7, 0.6))),
        *(result("b", seed, disc_auc=value) for seed, value in enumerate((0.61, 0.8, 0.71))),
        result("b", 9, disc_auc=0.1),  # without a partner
        replace(result("a", 3), error="diverged"),
        result("c", 0, disc_auc=0.4),
    ]
    base = figure(found, "a", "disc_auc")
    assert (base.mean, base.deviation, base.missing) == (pytest.approx(0.6), pytest.approx(0.1), 1)
    apart = difference(found, "b", "a", "disc_auc")
    # 0.11, 0.10 and 0.11: a deviation of 0.00577, and Student's 4.303 of two degrees of freedom.
    assert (apart.mean, apart.pairs) == (pytest.approx(0.32 / 3), 3)
    assert apart.half == pytest.approx(4.3027 * 0.0057735 / math.sqrt(3), rel=1e-4)
    assert apart.verdict == "better"
    assert replace(apart, sign=-1).verdict == "worse"
    assert replace(apart, half=0.2).verdict == "not told apart"
    assert difference(found, "c", "a", "disc_auc").verdict == "too few seeds"
    shown = table.text(found, "a", ["disc_auc"])
    assert "| b | +0.1067 ± 0.0143, better |" in shown
    assert "| c | -0.1000 (too few seeds) |" in shown
    assert "Of 1 comparison 0.1 would be outside by chance if nothing differed; 1 is." in shown


def test_pictures(tmp_path: Path) -> None:
    found = [result(name, seed, disc_auc=0.5 + seed) for name in ("a", "b") for seed in (0, 1)]
    for results, words in ((found, (">a<", ">b<", "disc_auc")), ([], ("No run has finished",))):
        plot.write(results, "a", METRICS, tmp_path / "plot.svg", "Recipes")
        drawn = (tmp_path / "plot.svg").read_text()
        assert all(word in drawn for word in (*words, "Recipes"))
    assert table.text([], "a", METRICS) == "No run has finished yet."


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
