"""Rows of tagged words equal the reference's but for its faults, each of which is named here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from electra_cli.config.finetune import TaskConfig
from electra_cli.finetuning.examples.example import Sentence
from electra_cli.finetuning.features.encoded import Encoded
from electra_cli.finetuning.features.words import encode, tags_of_words
from tests.golden.preprocessing_case import ids_of, preprocessing_case, tokenizer

_COLUMNS = ("input_ids", "input_mask", "labels", "labeled_positions", "labels_mask")

# The faults of the reference, and the rows that differ by them.
_CUT_EARLY = [  # by length: its check counts words, not the pieces of the next
    (48, [*range(11)]),
    (96, [6]),
]
_IDEOGRAPHS = 1  # words are not split at ideographs
_NO_PIECE = 2  # a word without a piece stands where the next one does
_LITERAL = 4  # literal [CLS] and [SEP] are skipped, and the labels behind them move


def _encoded(sentences: Sequence[Sentence], length: int, labels: Sequence[str]) -> Encoded:
    task = TaskConfig(kind="tagging", max_length=length)
    return encode(sentences, tokenizer(), task, labels, training=True)


def _sentences(part: str, tags: str) -> list[Sentence]:
    texts = preprocessing_case("tagging").texts[part]
    return [Sentence(tuple(x["words"]), tuple(x[tags]), "") for x in texts]


def _labels(of: str) -> tuple[str, ...]:
    numbers = preprocessing_case("tagging").texts[f"{of}_label_map"]
    assert list(numbers.values()) == list(range(len(numbers)))
    return tuple(numbers)


def _differences(encoded: Encoded, prefix: str) -> dict[int, set[str]]:
    """The columns that differ from the recorded ones, by row; segment ids are apart."""
    recorded = preprocessing_case("tagging").columns(prefix)
    columns = encoded.rows.columns
    np.testing.assert_array_equal(recorded["row"], np.arange(len(encoded.rows)))
    # Fault: 1 at all tokens; a single text has segment 0 in pretraining and in all else.
    np.testing.assert_array_equal(recorded["segment_ids"], recorded["input_mask"])
    assert not columns["segment_ids"].any()
    # The reference keeps labels that its mask hides.
    recorded["labels"] = recorded["labels"] * (recorded["labels_mask"] > 0)
    differ = {name: (columns[name] != recorded[name]).any(1) for name in _COLUMNS}
    for name in _COLUMNS:
        assert columns[name].dtype == recorded[name].dtype
    rows = np.flatnonzero(np.any(list(differ.values()), axis=0)).tolist()
    return {row: {name for name in _COLUMNS if differ[name][row]} for row in rows}


@pytest.mark.parametrize(("of", "tags"), [("chunk", "chunk_bioes"), ("pos", "upos")])
@pytest.mark.parametrize(("length", "cut_early"), _CUT_EARLY)
def test_rows_are_the_references(of: str, tags: str, length: int, cut_early: list[int]) -> None:
    """9 of 20 rows at 48 and 19 of 20 at 96; in all others more words are kept, and that is all."""
    sentences = _sentences("sentences", tags)
    encoded = _encoded(sentences, length, _labels(of))
    found = _differences(encoded, f"{of}/L{length}")
    assert list(found) == cut_early
    kept = preprocessing_case("tagging").values[f"{of}/L{length}/labels_mask"].sum(1).astype(int)
    assert (encoded.rows.columns["labels_mask"].sum(1)[cut_early] > kept[cut_early]).all()
    shortened = [
        replace(sentence, words=sentence.words[:count], tags=(sentence.tags or ())[:count])
        for sentence, count in zip(sentences, kept, strict=True)
    ]
    # Where there are more words than columns, theirs lacks even [CLS].
    bare = {row: {"input_ids", "input_mask"} for row in np.flatnonzero(kept == 0).tolist()}
    assert _differences(_encoded(shortened, length, _labels(of)), f"{of}/L{length}") == bare
    assert list(bare) == ([6] if length == 48 else [])


@pytest.mark.parametrize("length", [48, 96])
def test_awkward_words(length: int) -> None:
    """3 of 6 rows differ, by three faults."""
    sentences = _sentences("awkward", "upos")
    encoded = _encoded(sentences, length, _labels("pos"))
    assert _differences(encoded, f"awkward/L{length}") == {
        _IDEOGRAPHS: {"input_ids", "input_mask", "labeled_positions"},
        _NO_PIECE: {"labels", "labeled_positions", "labels_mask"},
        _LITERAL: set(_COLUMNS),
    }
    recorded = preprocessing_case("tagging").columns(f"awkward/L{length}")
    columns = encoded.rows.columns

    row = _NO_PIECE
    empty = sentences[row].words.index("\u200b")
    assert (columns["labeled_positions"] != recorded["labeled_positions"])[row].nonzero()[0] == [
        empty
    ]
    positions = recorded["labeled_positions"][row]
    assert positions[empty] == positions[empty + 1]  # theirs: two labels for one place
    assert columns["labels_mask"][row].tolist()[:5] == [1, 1, 0, 1, 1]

    row = _LITERAL
    assert recorded["labels_mask"][row].sum() == 3
    assert recorded["input_ids"][row, 1] == tokenizer().special.cls
    assert columns["labels_mask"][row].sum() == len(sentences[row].words)
    assert columns["labels"][row, 4] == _labels("pos").index("NOUN")


def test_ideographs_are_words_of_their_own() -> None:
    """As in pretraining, whose vocabulary has them apart; the reference looks for 東京 whole."""
    encoded = _encoded(_sentences("awkward", "upos"), 48, _labels("pos"))
    first, second = encoded.rows.columns["labeled_positions"][_IDEOGRAPHS, :2]
    ids = encoded.rows.columns["input_ids"][_IDEOGRAPHS, first:second]
    assert ids.tolist() == ids_of("東京") == ids_of("東") + ids_of("京")


@pytest.mark.parametrize(
    ("words", "positions", "kept"),
    [
        (["a"] * 6, [1, 2, 3, 4, 5, 6], 6),
        (["a"] * 7, [1, 2, 3, 4, 5, 6], 6),
        (["a"] * 20, [1, 2, 3, 4, 5, 6], 6),
        (["a", "a.b.c.", "a"], [1], 1),  # the second has 6 pieces; what follows it is cut too
        (["a.b.c.", "a"], [1], 1),
        (["a.b.c.d", "a"], [], 0),
        (["\x00"] * 20 + ["a"], [], 0),  # behind the last column
        (["\x00", "a", "\x00", "a"], [0, 1, 0, 2], 2),
        ([], [], 0),
    ],
)
def test_words_that_do_not_fit(words: list[str], positions: list[int], kept: int) -> None:
    """Whole words only, up to the first that does not fit; those cut off have no prediction."""
    sentences = [Sentence(tuple(words), tuple(["Y"] * len(words)), "")]
    encoded = _encoded(sentences, 8, ("X", "Y"))
    columns = encoded.rows.columns
    assert columns["labeled_positions"][0, : len(positions)].tolist() == positions
    assert columns["labeled_positions"].sum() == sum(positions)
    assert columns["labels_mask"].sum() == columns["labels"].sum() == kept
    pieces = sum(len(ids_of(word)) for word in words)
    assert encoded.lengths.tolist() == [pieces + 2]
    assert encoded.cut == int(pieces > 6)
    predicted = np.ones(columns["labels"].shape, np.int64)
    (tags,) = tags_of_words(sentences, encoded, predicted, ("X", "Y"))
    assert len(tags) == len(words)
    assert [tag for tag in tags if tag is not None] == ["Y"] * kept
    assert [place for place, tag in enumerate(tags) if tag][:kept] == [
        place for place, position in enumerate(positions) if position
    ]


def test_sentences_without_tags() -> None:
    """To predict: words have their positions."""
    encoded = _encoded([Sentence(("a", "b"), None, "")], 8, ("X",))
    assert encoded.rows.columns["labels_mask"].sum() == 2
