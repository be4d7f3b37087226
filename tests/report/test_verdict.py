"""The verdict in words: whether it is good, what is wrong, what to do."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from electra_cli.health.finding import Finding
from electra_cli.report.record import read_record
from electra_cli.report.verdict import sentences_of, verdict
from electra_cli.runs.run_folder import RunFolder
from tests.report.made_run import OLD_RUN, Line, end, finished, made_run, start, train, validation

UNTRAINED = {"masked_lm_loss": 4.5, "disc_auc": 0.5, "disc_loss": 0.33, "replaced_rate": 0.1}
UNTRAINED_SAYS = (
    "run had hardly learned at step 0, its newest evaluation, which is usual before step 210."
)
NOTHING: dict[str, Any] = dict.fromkeys(validation(0, 0.0).keys() - {"kind", "step", "time"})


def with_last(**values: float) -> list[Line]:
    """A finished run with other numbers at its last evaluation."""
    return [*finished()[:-1], validation(1000, 1101.0, **values)]


@pytest.mark.parametrize(
    ("lines", "settings", "first"),
    [
        (finished(), [], "run has learned, and nothing is wrong with it."),
        ([], [], "Nothing can be said yet of how good run is: it was not evaluated."),
        ([start(0, 0.0), validation(0, 1.0, **UNTRAINED)], [],
         UNTRAINED_SAYS),
        ([start(0, 0.0), validation(0, 1.0, **UNTRAINED), train(900, 901.0)], [],
         UNTRAINED_SAYS),
        ([validation(7, 1.0, **NOTHING)], [],
         "Nothing can be said yet of how good run is: its evaluation at step 7 has no finite "
         "number."),
        (with_last(masked_lm_loss=3.48), [],
         "run had hardly learned at step 1,000, its newest evaluation, although nothing is found "
         "to be wrong."),
        (finished(), ["optimizer.warmup_steps=900"],
         "Something is wrong with run: the warm-up takes more than half of the run."),
    ],
)  # fmt: skip
def test_the_first_sentence(
    tmp_path: Path, lines: list[Line], settings: list[str], first: str
) -> None:
    record = read_record(made_run(tmp_path / "run", lines, settings=settings))
    assert sentences_of(record)[0] == first


def test_a_good_run_in_whole(tmp_path: Path) -> None:
    folder = tmp_path / "my run"
    text = verdict(read_record(made_run(folder, finished(), result={"final_step": 1000})))
    for part in (
        "my run has learned, and nothing is wrong with it. It is finished, after 1,000 steps.",
        "At step 1,000 the generator is 1.50 nats better than guessing by frequency (3.50)",
        'better than always saying "original" (0.33, right for 90.0%); of an original',
        "more suspicious in 90% of all cases, where 50% would be chance.",
        f"`electra finetune '{folder}' --task",
    ):
        assert part in text


@pytest.mark.parametrize(
    ("lines", "next_thing"),
    [
        (finished()[:-2], "repeat its `electra pretrain` command"),
        ([*finished(), start(1000, 1200.0), train(1100, 1300.0)], "repeat its"),
    ],
)
def test_a_run_that_was_killed_goes_on(tmp_path: Path, lines: list[Line], next_thing: str) -> None:
    record = read_record(made_run(tmp_path / "run", lines, settings=["train.steps=2000"]))
    assert next_thing in sentences_of(record)[-1]
    assert f"It stands at step {record.step:,} of 2,000, and no process trains" in verdict(record)


DIVERGED = "loss or gradient was not finite in more than 10 of the last 1,000 steps"
GOES_ON = "its `electra pretrain` command, and it goes on from its newest checkpoint."


@pytest.mark.parametrize(
    ("reason", "state", "next_thing"),
    [
        ("finished", "where it was told to stop.",
         "What to do: repeat its `electra pretrain` command without `--stop-at-step`, and it goes "
         "on from its newest checkpoint."),
        (DIVERGED, f"since its last process ended: {DIVERGED}.",
         f"What to do: if what ended it is mended, or was meant, repeat {GOES_ON}"),
        ("No space left.\nA stack", "since its last process ended: No space left.",
         f"What to do: if what ended it is mended, or was meant, repeat {GOES_ON}"),
        (None, "and no process trains it: the last one was killed, or does not say why it ended.",
         f"What to do: repeat {GOES_ON}"),
        *[(damaged, "and no process trains it: the last one was killed, or does not say why it "
           "ended.", f"What to do: repeat {GOES_ON}") for damaged in ("", " \n", 5, ["x"])],
    ],
)  # fmt: skip
def test_a_run_that_ended_early_says_why(
    tmp_path: Path, reason: Any, state: str, next_thing: str
) -> None:
    lines = finished()[:-1] + ([] if reason is None else [end(1000, 1102.0, reason)])
    record = read_record(made_run(tmp_path / "run", lines, settings=["train.steps=2000"]))
    said = sentences_of(record)
    assert said[1] == f"It stands at step 1,000 of 2,000, {state}"
    assert said[-1] == next_thing


def test_a_run_that_has_hardly_learned_is_to_go_on_for_longer(tmp_path: Path) -> None:
    run = made_run(tmp_path / "run", with_last(masked_lm_loss=3.48), result={"final_step": 1000})
    assert sentences_of(read_record(run))[-1].startswith("What to do: train for longer")


def test_advice_that_asks_ends_as_a_question(tmp_path: Path) -> None:
    record = read_record(made_run(tmp_path / "run", finished()))
    asks = Finding("name", "Title", 0, None, "", "", "look at the rows: are they text?")
    assert sentences_of(replace(record, findings=[asks]))[-1].endswith("are they text?")


def test_what_is_wrong_comes_with_what_to_try(tmp_path: Path) -> None:
    run = made_run(tmp_path / "run", finished(), settings=["optimizer.warmup_steps=900"])
    record = read_record(run)
    assert sentences_of(record)[-1] == f"What to try: {record.findings[0].advice}."


def test_masked_language_modelling_has_no_discriminator(tmp_path: Path) -> None:
    line = {"kind": "validation", "step": 1000, "masked_lm_loss": 2.0, "total_loss": 2.0}
    run = made_run(tmp_path / "run", [line], settings=["objective.name=mlm"])
    text = verdict(read_record(run))
    assert text.startswith("run has learned")
    assert "At step 1,000 the network is 1.50 nats better" in text
    assert "discriminator" not in text


FEW = {"tokens": 53, "distinct_tokens": 40, "most_frequent": 4, "unigram_entropy": None}


@pytest.mark.parametrize(
    ("baselines", "why"),
    [
        (
            None,
            "since an older electra prepared its data: `electra debug data DATA` says what loss",
        ),
        (FEW, "since its data has only 53 held-out tokens: prepare more text, or with a larger"),
    ],
)
@pytest.mark.parametrize("objective", ["electra", "mlm"])
def test_without_frequencies_to_hold_it_against(
    tmp_path: Path, baselines: dict[str, int] | None, why: str, objective: str
) -> None:
    """Being better than a uniform guess is not to have learned, whatever the discriminator does."""
    line = {"kind": "validation", "step": 1000, "masked_lm_loss": 2.0}
    lines = [line] if objective == "mlm" else with_last()
    run = made_run(tmp_path / "run", lines, settings=[f"objective.name={objective}"])
    manifest = json.loads((run.data / "manifest.json").read_text())
    (run.data / "manifest.json").write_text(json.dumps(manifest | {"baselines": baselines}))
    first = sentences_of(read_record(run))[0]
    assert first.startswith("Nothing is found to be wrong with run; whether it has learned more")
    assert why in first
    assert "has learned, and" not in verdict(read_record(RunFolder(OLD_RUN)))


def test_masks_that_are_filled_by_chance_are_no_reason(tmp_path: Path) -> None:
    """The loss of a uniform generator is always that of a guess: the area alone is judged."""
    for area, said in ((0.9, "uniform has learned"), (0.51, "uniform had hardly learned")):
        run = made_run(
            tmp_path / f"{area}" / "uniform",
            with_last(masked_lm_loss=4.42, disc_auc=area),
            settings=["objective.uniform_generator=true"],
        )
        assert sentences_of(read_record(run))[0].startswith(said)


@pytest.mark.parametrize("worse", [{"masked_lm_loss": 4.4}, {"disc_auc": 0.51}])
def test_without_frequencies_it_can_be_told_that_nothing_is_learned(
    tmp_path: Path, worse: dict[str, float]
) -> None:
    run = made_run(tmp_path / "run", with_last(**worse))
    manifest = json.loads((run.data / "manifest.json").read_text())
    (run.data / "manifest.json").write_text(json.dumps(manifest | {"baselines": None}))
    assert "run had hardly learned at step 1,000" in sentences_of(read_record(run))[0]


@pytest.mark.parametrize(
    ("step", "said"),
    [
        (50_000, "its losses at step 50,000 are 1.7 below for the generator (2 and 3.67), 0.023 "
         "below for the discriminator (0.2 and 0.223)."),
        (100, "has steps 12,500 to 1,000,000 only."),
    ],
)  # fmt: skip
def test_beside_the_published_curve(tmp_path: Path, step: int, said: str) -> None:
    settings = ["train.batch_size=128", "train.steps=1000000"]
    line = validation(step, 1.0)
    run = made_run(tmp_path / "run", [line], preset="small", settings=settings)
    assert said in verdict(read_record(run))
