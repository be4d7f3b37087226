"""What is taken for a secret, and what only looks like one."""

from __future__ import annotations

import pytest

from electra_cli.files.redaction import as_name, redacted


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("https://me:p@ssword@host/x", "https://***@host/x"),
        ("gs://bucket/a?sig=abc%2Fdefgh&x=1", "gs://bucket/a?sig=***&x=1"),
        ("hf_token: hf_abcdefgh", "hf_token: ***"),
        ("AWS_SECRET_ACCESS_KEY=wJalrXUt/K7MDENG", "AWS_SECRET_ACCESS_KEY=***"),
        ('{"a":1,"token":"abcdefgh","b":2}', '{"a":1,"token":"***","b":2}'),
        ("{'api_key' :'abcdefgh'}", "{'api_key' :'***'}"),
        ("Authorization: Bearer ab/cd+efgh==", "Authorization: Bearer ***"),
        ('{"authorization":"Basic dXNlcjpw"}', '{"authorization":"Basic ***"}'),
        ("Proxy-Authorization: basic dXNlcjpw, then", "Proxy-Authorization: basic ***, then"),
        ("https://host/x?key=AIzaSyAb-1&y=2", "https://host/x?key=***&y=2"),
        ("https:/host/x?y=2&key=AIzaSyAb-1 is", "https:/host/x?y=2&key=*** is"),
    ],
)
def test_secrets(text: str, expected: str) -> None:
    assert redacted(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "mask_token = 103",
        "/runs/sig=0.1/data",
        "/corpora/token=bpe/prepared/x",
        "invalid token: foo",
        "10,000 tokens: all of them",
        "precision: bfloat16",
        "expected key=value, got key=somewhere-else",
        "which masking key=something & key = something",
        '{"mask_token":"[MASK]","key":"input_ids"}',
        "[PAD] is the padding token, [MASK] the masking token",
        "authorization: required by the bucket",
        "the bearer instruments of 1901",
        "/runs/x?key=1&y=2",
    ],
)
def test_no_secrets(text: str) -> None:
    assert redacted(text) == text


def test_values_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_API_KEY", "0123456789")
    monkeypatch.setenv("TOKENIZER_DIR", "tokenizers-of-mine")
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", "/keys/mine.json")
    assert redacted({"a": ["0123456789", "x0123456789"]}) == {"a": ["***", "x0123456789"]}
    for text in ("tokenizers-of-mine", "/keys/mine.json"):
        assert redacted(text) == text


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("small-1 été", "small-1 été"),
        ("a`rm`", r"a\x60rm\x60"),
        ("a\u202eb", r"a\u202eb"),
        ("a\u200eb\u200fc\u061cd", r"a\u200eb\u200fc\u061cd"),
        ("a\udcffb", r"a\udcffb"),
        ("a\nb\t\x1b[1m", r"a\nb\t\x1b[1m"),
        ("http://me:1234@host", "http://***@host"),
    ],
)
def test_a_name_is_a_word_of_its_sentence(name: str, shown: str) -> None:
    assert as_name(name) == shown
