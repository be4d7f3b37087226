"""Nearest names, and pydantic's messages in plain words."""

from __future__ import annotations

from typing import Literal

import pytest
from pydantic import BaseModel, Field, ValidationError

from electra_cli.config.nearest import did_you_mean, nearest
from electra_cli.config.values import bytes_in, in_words, size_in_words
from electra_cli.errors import ConfigError

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


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("50MB", 50_000_000),
        ("50mb", 50_000_000),
        ("50 M", 50_000_000),
        ("2.5 GB", 2_500_000_000),
        ("1e9", 10**9),
        ("2.5e3MB", 2_500_000_000),
        ("10GiB", 10 * 2**30),
        ("3KiB", 3072),
        ("1,000,000", 10**6),
        ("1_000", 1000),
        ("7 bytes", 7),
        ("2TB", 2 * 10**12),
        ("1.5 EB", 15 * 10**17),
    ],
)
def test_sizes(text: str, size: int) -> None:
    assert bytes_in(text, "--corpus-bytes") == size


@pytest.mark.parametrize(
    ("text", "instead"),
    [
        ("50 MBs", "50MB"),
        ("-5GB", "5GB"),
        ("1,5 GB", "1.5GB"),
        ("10 furlongs", "10MB"),
        ("10iB", "10MB"),
        ("fifty", "50MB"),
        ("", "50MB"),
        ("inf", "50MB"),
        ("nan", "50MB"),
        ("0", "50MB"),
        ("0.0000001", "50MB"),
        ("1.2.3GB", "1.2MB"),
        ("1e999GB", "1MB"),
    ],
)
def test_what_is_no_size(text: str, instead: str) -> None:
    with pytest.raises(ConfigError, match=r"--memory: expected a size such as 50MB") as error:
        bytes_in(text, "--memory")
    assert error.value.hint == f"write --memory {instead}"
    bytes_in(instead, "--memory")


@pytest.mark.parametrize("text", ["1e30", "1000 EB", "9e99TB"])
def test_more_bytes_than_there_are(text: str) -> None:
    with pytest.raises(ConfigError, match=f"--memory {text}: too much to be meant"):
        bytes_in(text, "--memory")


@pytest.mark.parametrize(
    ("size", "words"),
    [
        (1, "1 byte"),
        (7, "7 bytes"),
        (999_999, "1 MB"),
        (1500, "1.5 kB"),
        (50e6, "50 MB"),
        (2.5e9, "2.5 GB"),
        (3e13, "30 TB"),
        (4e15, "4 PB"),
        (1e20, "100 EB"),
    ],
)
def test_sizes_in_words(size: float, words: str) -> None:
    assert size_in_words(size) == words
