"""Which words lose something for their reader where accents are removed."""

from __future__ import annotations

import pytest

from electra_cli.corpus.wordpiece.marks import has_mark


@pytest.mark.parametrize("word", ["für", "fu\u0308r", "が", "หนึ่ง", "हिन्दी", "Ёлка", "≠"])
def test_marks_that_tell_words_apart(word):
    assert has_mark(word)


@pytest.mark.parametrize(
    "word",
    ["fur", "か", "한국어", "“it’s”", "½", "❤️", "☀️☀️", "1️⃣", "👩‍🚀", "葛\U000e0100", "Straße"],
)
def test_what_only_selects_the_looks_of_a_character_is_not_missed(word):
    assert not has_mark(word)
