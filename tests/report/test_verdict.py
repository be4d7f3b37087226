"""The verdict in words: whether it is good, what is wrong, what to do."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from electra_cli.report.record import read_record
from electra_cli.report.verdict import sentences_of, verdict
from electra_cli.runs.run_folder import RunFolder
from tests.report.made_run import OLD_RUN, Line, finished, made_run, start, train, validation

UNTRAINED = {"masked_lm_loss": 4.5, "disc_auc": 0.5, "disc_loss": 0.33, "replaced_rate": 0.1}


def with_last(**values: float) -> list[Line]:
    """A finished run with other numbers at its last evaluation."""
    return [*finished()[:-1], validation(1000, 1101.0, **values)]


@pytest.mark.parametrize(
    ("lines", "settings", "first"),
    [
        (finished(), [], "run has learned, and nothing is wrong with it."),
        ([], [], "Nothing can be said yet of how good run is: it was not evaluated."),
        ([start(0, 0.0), validation(0, 1.0, **UNTRAINED)], [],
         "run has hardly learned yet, which is usual before step 210."),
        (with_last(masked_lm_loss=3.48), [],
         "run has hardly learned yet, although nothing is found to be wrong."),
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
        "The generator is 1.50 nats better than guessing by frequency (3.50)",
        'better than always saying "original" (0.33, right for 90.0%).',
        "more suspicious in 90% of all cases",
        f"`electra finetune '{folder}' --task",
    ):
        assert part in text


@pytest.mark.parametrize(
    ("lines", "next_thing"),
    [
        (finished()[:-2], "repeat its `electra pretrain` command"),
        ([*finished(), train(1100, 1300.0)], "repeat its"),
    ],
)
def test_a_run_that_is_not_finished_goes_on(
    tmp_path: Path, lines: list[Line], next_thing: str
) -> None:
    record = read_record(made_run(tmp_path / "run", lines, settings=["train.steps=2000"]))
    assert next_thing in sentences_of(record)[-1]
    assert f"It stands at step {record.step:,} of 2,000" in verdict(record)


def test_what_is_wrong_comes_with_what_to_try(tmp_path: Path) -> None:
    run = made_run(tmp_path / "run", finished(), settings=["optimizer.warmup_steps=900"])
    record = read_record(run)
    assert sentences_of(record)[-1] == f"What to try: {record.findings[0].advice}."


def test_masked_language_modelling_has_no_discriminator(tmp_path: Path) -> None:
    line = {"kind": "validation", "step": 1000, "masked_lm_loss": 2.0, "total_loss": 2.0}
    run = made_run(tmp_path / "run", [line], settings=["objective.name=mlm"])
    text = verdict(read_record(run))
    assert text.startswith("run has learned")
    assert "The network is 1.50 nats better" in text
    assert "discriminator" not in text


FEW = {"tokens": 53, "distinct_tokens": 40, "most_frequent": 4, "unigram_entropy": None}


@pytest.mark.parametrize(
    ("baselines", "why"),
    [
        (None, "since an older electra prepared its data."),
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


@pytest.mark.parametrize("worse", [{"masked_lm_loss": 4.4}, {"disc_auc": 0.51}])
def test_without_frequencies_it_can_be_told_that_nothing_is_learned(
    tmp_path: Path, worse: dict[str, float]
) -> None:
    run = made_run(tmp_path / "run", with_last(**worse))
    manifest = json.loads((run.data / "manifest.json").read_text())
    (run.data / "manifest.json").write_text(json.dumps(manifest | {"baselines": None}))
    assert "run has hardly learned yet" in sentences_of(read_record(run))[0]


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
