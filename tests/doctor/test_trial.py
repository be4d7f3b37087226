"""What both processes of the trial say, and what is made of it."""

from __future__ import annotations

import json

import pytest

from electra_cli.doctor.trial import judge
from electra_cli.training.devices.bounded import Answer
from tests.doctor.machines import one, states

STARTED = '{"tensorflow": "2.20.0", "import_seconds": 2.0}\n{"gpus": []}\n'
MEASURED = STARTED + '{"precision": "bfloat16"}\n{"rates": [2e9]}\n{"rates": [2e9, 1e9, 2e9]}\n'
TRAINED = json.dumps(
    {"sequences_per_second": 64.0, "tokens_per_second": 8192.0, "matmul_peak_share": 0.25}
)
FAILED = json.dumps({"error": {"message": "no room", "hint": "make some", "exit_code": 74}})


def test_a_trial_that_went_well() -> None:
    trial, checks = judge(Answer(MEASURED), Answer(TRAINED))
    assert set(states(checks).values()) == {"ok"}
    assert trial.seconds_a_step == 0.5
    assert (trial.matmul_peak_flops, trial.matmul_sustained_flops) == (2e9, 1.5e9)
    assert "0.50 s each, 8,192 tokens/s, 25% of the peak" in one(checks, "preset tiny").found


@pytest.mark.parametrize(
    ("measured", "trained", "name", "state", "words"),
    [
        (Answer("", "was ended by SIGILL"), Answer(TRAINED), "TensorFlow", "problem", "processor"),
        (Answer("", "ended with 1: No module"), Answer(TRAINED), "TensorFlow", "problem",
         "No module"),
        (Answer(STARTED, "was ended by SIGABRT"), Answer(TRAINED), "matrix products", "problem",
         "SIGABRT"),
        (Answer(STARTED + '{"rates": [9e9, 9e9, 2e9, 2e9]}'), Answer(TRAINED), "matrix products",
         "note", "the rate falls"),
        (Answer(MEASURED), Answer(FAILED, "ended with 74"), "preset tiny", "problem", "make some"),
        (Answer(MEASURED), Answer("", "did not end within 600 seconds"), "preset tiny", "problem",
         "did not end"),
        (Answer(MEASURED), Answer("[1]\n{", ""), "preset tiny", "problem", "said nothing"),
    ],
)  # fmt: skip
def test_what_can_go_wrong(
    measured: Answer, trained: Answer, name: str, state: str, words: str
) -> None:
    check = one(judge(measured, trained)[1], name)
    assert check.state == state
    assert words in check.found + check.advice
