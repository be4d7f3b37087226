"""Two tokenizers that differ, and what the error says to type."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from electra_cli.corpus.wordpiece.identity import Identity, TokenizerOptions, tokenizer_sha256
from electra_cli.errors import DataError

CASED = TokenizerOptions(lowercase=False, strip_accents=False)
OURS = Identity(7, "a" * 64, CASED)
ALL = [
    TokenizerOptions(lowercase=lowercase, strip_accents=strip)
    for lowercase in (True, False)
    for strip in (True, False)
]


@pytest.mark.parametrize(
    ("data", "sides"),
    [
        (Identity(9, "b" * 64, CASED), ("another vocabulary (9 word", "weights (7 word pieces")),
        (Identity(9, "b" * 64, None), ("another vocabulary (9 word", "weights (7 word pieces")),
        *(
            (OURS.with_options(options), (f"another casing ({options})", f"weights ({CASED})"))
            for options in ALL
            if options != CASED
        ),
    ],
)
def test_the_hint_can_be_typed(data: Identity, sides: tuple[str, str]) -> None:
    with pytest.raises(DataError) as caught:
        OURS.check_data(data, of="weights", folder=Path("data"), vocab=Path("my run/data"))
    for side in sides:
        assert side in caught.value.message
    words = shlex.split(caught.value.hint)
    assert words[words.index("--vocab") + 1] == "my run/data"
    assert {"--no-lowercase", "--no-strip-accents"} < set(words)


@pytest.mark.parametrize("data", [OURS, OURS.with_options(None)])
def test_what_is_not_known_to_differ_is_taken(data: Identity) -> None:
    OURS.check_data(data, of="weights", folder=Path("data"), vocab=Path("v"))


def test_every_casing_has_a_fingerprint_of_its_own() -> None:
    assert len({tokenizer_sha256("a" * 64, options) for options in ALL}) == len(ALL)
    assert len({str(options) for options in ALL}) == len(ALL)
