"""Nearest names, and pydantic's messages in plain words."""

from __future__ import annotations

from typing import Literal

import pytest
from pydantic import BaseModel, Field, ValidationError

from electra_cli.config.nearest import did_you_mean, nearest
from electra_cli.config.values import in_words

FORMATS = ("huggingface", "saved-model", "onnx", "reference")


@pytest.mark.parametrize(
    ("word", "names", "name"),
    [
        ("hugginface", FORMATS, "huggingface"),
        ("HF", FORMATS, "huggingface"),
        ("saved_model", FORMATS, "saved-model"),
        ("cuda", ("auto", "cpu", "gpu"), "gpu"),
        ("bf16", ("auto", "float32", "bfloat16"), "bfloat16"),
        ("xyzzy", FORMATS, None),
    ],
)
def test_nearest(word: str, names: tuple[str, ...], name: str | None) -> None:
    assert nearest(word, names) == name


def test_did_you_mean() -> None:
    assert did_you_mean("onx", FORMATS, form="--format {}") == "did you mean --format onnx?"
    assert did_you_mean("xyzzy", ("a", "b")) == "choose one of a, b"
    assert did_you_mean("xyzzy", ("a", "b"), form="--x {}") == "--x NAME: choose one of a, b"


class Record(BaseModel):
    count: int = Field(default=1, ge=1)
    share: float = Field(default=0.5, gt=0, lt=1)
    name: str = "a"
    whole: bool = True
    parts: list[int] = []
    table: dict[str, int] = {}
    kind: Literal["x", "y"] = "x"
    model_config = {"extra": "forbid"}


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"count": "many"}, 'expected a valid integer, got the text "many"'),
        ({"count": 1.5}, "expected a valid integer, got 1.5"),
        ({"count": 0}, "expected at least 1, got 0"),
        ({"count": None}, "expected a valid integer, got null"),
        ({"share": "half"}, 'expected a valid number, got the text "half"'),
        ({"share": 1}, "expected less than 1, got 1"),
        ({"share": 0}, "expected greater than 0, got 0"),
        ({"name": 5}, "expected a valid string, got 5"),
        ({"whole": "perhaps"}, 'expected a valid boolean, got the text "perhaps"'),
        ({"parts": 5}, "expected a valid list, got 5"),
        ({"table": []}, "expected a valid dictionary, got []"),
        ({"kind": "z"}, "expected 'x' or 'y', got the text \"z\""),
        ({"other": 1}, "there is no such key"),
        ([], "expected a valid dictionary, got []"),
    ],
)
def test_errors_of_pydantic_in_words(values: object, words: str) -> None:
    with pytest.raises(ValidationError) as error:
        Record.model_validate(values)
    assert in_words(error.value.errors()[0]) == words


def test_what_is_missing() -> None:
    class Whole(BaseModel):
        needed: int

    with pytest.raises(ValidationError) as error:
        Whole.model_validate({})
    assert in_words(error.value.errors()[0]) == "it is missing"
