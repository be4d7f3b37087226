"""The scalar rules of YAML 1.2, and what is refused."""

from __future__ import annotations

import math
from typing import Any

import pytest

from electra_cli.config.yaml_core import dump_yaml, load_yaml, parse_scalar

SCALARS: list[tuple[str, Any]] = [
    ("1e-5", 1e-5),
    ("1.5e4", 15000.0),
    ("1E3", 1000.0),
    (".5", 0.5),
    ("5.", 5.0),
    ("-.inf", -math.inf),
    ("+12", 12),
    ("-0", 0),
    ("010", 10),
    ("0o17", 15),
    ("0x1F", 31),
    ("9" * 40, 1e40),  # no integer of a length without end
    ("0b11", "0b11"),
    ("1_000", "1_000"),
    ("1:30", "1:30"),
    ("2020-01-01", "2020-01-01"),
    ("on", "on"),
    ("off", "off"),
    ("yes", "yes"),
    ("No", "No"),
    ("true", True),
    ("False", False),
    ("~", None),
    ("null", None),
    ("", None),
    ("e5", "e5"),
    ("1e", "1e"),
    ("=", "="),
    ("<<", "<<"),
    ("'8'", "8"),
    ('"true"', "true"),
]


@pytest.mark.parametrize(("text", "value"), SCALARS)
def test_scalars(text: str, value: Any) -> None:
    for read in (parse_scalar(text), load_yaml(f"key: {text}")["key"]):
        assert read == value
        assert type(read) is type(value)


def test_not_a_number() -> None:
    assert math.isnan(load_yaml(".nan"))
    assert math.isnan(parse_scalar(".NaN"))  # type: ignore[arg-type]


@pytest.mark.parametrize("value", [value for _, value in SCALARS] + [text for text, _ in SCALARS])
def test_written_values_read_back(value: Any) -> None:
    read = load_yaml(dump_yaml({"key": value}))["key"]
    assert read == value
    assert type(read) is type(value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\na: 2", "line 2: the key a is given twice"),
        ("s:\n  a: 1\n  b: 2\n  a: 3", "line 4: the key a is given twice"),
        ("a: &x 1", "anchors"),
        ("a: *x", "aliases"),
        ("a: !!python/name:os.system x", "tags"),
        ("a: !!int '3'", "tags"),
        ("a: ! 3", "tags"),
        ("? [1, 2]\n: 3", "a key must be plain text"),
        ("a: [1", "line 1"),
        ("a: 1\n b: 2", "line 2"),
        ("a: 1\n---\nb: 2", "document"),
        ("a: 1\nb: \x00", "special characters are not allowed"),
        ("[" * 5000, "recursion"),
    ],
)
def test_refused(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        load_yaml(text)
