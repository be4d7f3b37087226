from __future__ import annotations

import json

import pytest

from electra_cli.corpus.preparation.plausibility import describe_unknown, implausible
from electra_cli.corpus.shards.manifest import load_manifest
from electra_cli.corpus.wordpiece.identity import TokenizerOptions
from electra_cli.errors import DataError
from tests.corpus.corpora import make_documents, write_jsonl, write_text, write_vocabulary
from tests.prepared import prepare

_SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
_UNCASED = ["the", "town", "##s", "river"]


@pytest.mark.parametrize(
    ("pieces", "words", "casing", "cause", "hint"),
    [
        (
            ["\u0120the", "\u0120of", "ing"],
            ["the"],
            (True, True),
            "byte-level BPE",
            "tokenizer.json",
        ),
        (
            ["\u2581the", "\u2581of", "ing"],
            ["the"],
            (True, True),
            "SentencePiece",
            "tokenizer.json",
        ),
        (["The", "Paris", "##s"], ["the"], (True, True), "is a cased one", "--no-lowercase"),
        (_UNCASED, ["The", "Town"], (False, False), "no capital letters", "--lowercase"),
        (["f\u00fcr", "\u00fcber", "und"], ["f\u00fcr"], (True, True), "has accents", "--no-strip"),
        ([*_UNCASED, "fur"], ["f\u00fcr"], (True, False), "has no accents", "--strip-accents"),
        (
            _UNCASED,
            ["\u043c\u0438\u0440"],
            (True, True),
            "most of them Cyrillic",
            "leave --vocab out",
        ),
        (_UNCASED, ["\u4e2d\u6587"], (True, True), "most of them CJK", "--vocab-alphabet"),
        (_UNCASED, ["\u0645\u0646"], (False, False), "most of them Arabic", "train one"),
        (_UNCASED, ["howls"], (True, True), "not the pieces", "--vocab-size"),
        (_UNCASED, ["the" * 30], (True, True), "more than 200 characters", "word segmenter"),
    ],
)
def test_the_likely_cause_is_named(pieces, words, casing, cause, hint):
    tokenizer = TokenizerOptions(lowercase=casing[0], strip_accents=casing[1])
    pieces = [*pieces, *"howln"] if words == ["howls"] else pieces
    found = describe_unknown(0.5, words, [*_SPECIAL, *pieces], tokenizer)
    assert cause in found.message
    assert hint in found.hint
    assert repr(words[0]) in found.message


def unknown_text(share: float) -> list[str]:
    """Documents of a hundred words, so many of which no vocabulary here has."""
    count = round(100 * share)
    return [f"{'zzz ' * count}{'the ' * (99 - count)}{n % 10}" for n in range(60)]


@pytest.mark.parametrize(
    ("share", "warns", "fails"),
    [(0.02, False, False), (0.03, True, False), (0.30, True, False), (0.31, True, True)],
)
def test_unknown_tokens(tmp_path, share, warns, fails):
    text = write_text(tmp_path / "a.txt", unknown_text(share))
    options = {
        "vocab": write_vocabulary(tmp_path / "words.txt"),
        "sequence_length": 64,
        "validation_fraction": 0.5,
    }
    if fails:
        with pytest.raises(DataError, match=r"^31\.0% of the tokens") as told:
            prepare(text, tmp_path / "out", **options)
        assert "--allow-unknown" in told.value.hint
        # Nothing is lost: what was prepared is taken over.
        result = prepare(text, tmp_path / "out", **options, allow_unknown=True)
        assert result.megabytes_per_second == 0
    else:
        result = prepare(text, tmp_path / "out", **options)
    assert [warning for warning in result.warnings if "[UNK]" in warning] == [
        f"{share:.1%} of the tokens are [UNK], as in 'zzz': the vocabulary lacks characters of "
        "these words, most of them Latin; a vocabulary that --vocab brought is not of this "
        "language: leave --vocab out to train one; one that was trained here needs more room: a "
        "larger --vocab-size, or --vocab-alphabet"
    ] * warns


def test_it_is_told_on_the_way_and_once(tmp_path):
    text = write_jsonl(tmp_path / "a.jsonl", unknown_text(0.25))
    told: list[str] = []
    prepare(
        text,
        tmp_path / "out",
        vocab=write_vocabulary(tmp_path / "words.txt"),
        slice_bytes=2**13,
        workers=2,
        on_warning=told.append,
    )
    (warning,) = told
    assert warning.startswith("so far 25.0% of the tokens are [UNK], as in 'zzz': ")


@pytest.mark.parametrize(
    ("word", "share", "example"),
    [
        ("f\u00fcr", 0.25, "'f\u00fcr' becomes 'fur'"),
        ("\u304c\u3070", 0.25, "'\u304c\u3070' becomes '\u304b\u306f'"),  # voicing marks
        ("\u0939\u093f\u0902\u0926\u0940", 0.25, "becomes"),  # a sign of nasality
        ("\ud55c\uad6d\uc5b4", 0.0, ""),  # Korean is taken apart, and nothing is lost
        ("na\u00efve", 0.01, ""),
    ],
)
def test_marks_that_are_lost(tmp_path, word, share, example):
    times = max(1, round(20 * share))
    every = 1 if share >= 0.05 else 5
    lines = [
        f"{n} {f'{word} ' * (times if n % every == 0 else 0)}{'the ' * (19 - times)}"
        for n in range(90)
    ]
    text = write_text(tmp_path / "a.txt", lines)
    for strip in (True, False):
        prepare(text, tmp_path / str(strip), vocab_size=150, strip_accents=strip)
        found = implausible(load_manifest(tmp_path / str(strip)))
        lost = [finding for finding in found if "lose marks" in finding.message]
        assert len(lost) == (strip and bool(example))
        for finding in lost:
            assert example in finding.message
            assert "--no-strip-accents" in finding.hint


def test_padding_and_few_rows_held_out(tmp_path):
    text = write_text(tmp_path / "a.txt", make_documents(120, lines=1))
    result = prepare(text, tmp_path / "wide", vocab_size=200, sequence_length=128)
    padding, held_out = result.warnings
    assert padding.startswith(
        f"{result.manifest.padding_share:.0%} of the positions are padding: 120 docu"
    )
    assert "--packing full" in padding
    assert held_out.startswith("only 1 of 120 rows are held out")
    assert "--validation-fraction 0.33 " in held_out
    result = prepare(
        text, tmp_path / "full", vocab_size=200, packing="full", sequence_length=16,
        validation_fraction=0.33,
    )  # fmt: skip
    assert result.warnings == []


def test_the_command_shows_casing_and_warnings_under_quiet(electra, tmp_path):
    text = write_text(tmp_path / "a.txt", unknown_text(0.1))
    vocab = write_vocabulary(tmp_path / "words.txt")
    done = electra(
        "prepare-data", text, "--vocab", vocab, "--output", tmp_path / "out", "--quiet", "--json"
    )
    assert done.code == 0
    assert "warning: 10.0% of the tokens are [UNK], as in 'zzz'" in done.stderr
    assert "10.0% of the tokens" in json.loads(done.stdout)["warnings"][0]
    again = electra("prepare-data", text, "--vocab", vocab, "--output", tmp_path / "out")
    assert "lower-cased, accents removed" in again.stdout + again.stderr
