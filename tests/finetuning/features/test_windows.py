"""Rows of questions equal the reference's but for what windows without the answer say."""

from __future__ import annotations

import numpy as np
import pytest

from electra_cli.config.finetune import TaskConfig
from electra_cli.errors import DataError
from electra_cli.finetuning.examples.example import Answer, Question
from electra_cli.finetuning.features.encoded import Encoded
from electra_cli.finetuning.features.windows import encode
from tests.finetuning.features.squad_questions import questions
from tests.golden.preprocessing_case import ids_of, preprocessing_case, tokenizer


def _encoded(
    examples: list[Question], length: int = 12, stride: int = 3, query: int = 4, *, training=True
) -> Encoded:
    task = TaskConfig(kind="qa", max_length=length, doc_stride=stride, max_query_length=query)
    return encode(examples, tokenizer(), task, (), training=training)


def _question(context: str, *answers: tuple[str, int], impossible: bool = False) -> Question:
    right = tuple(Answer(text, start) for text, start in answers)
    return Question("q", "a b", context, right, impossible, "file.json, question q")


@pytest.mark.parametrize(
    ("name", "version", "sizes", "without_answer"),
    [
        ("squadv1", "v1", (96, 32, 12), 203),
        ("squadv1", "v1", (384, 128, 64), 11),
        ("squad", "v2", (96, 32, 12), 154),
        ("squad", "v2", (384, 128, 64), 10),
    ],
)
def test_rows_are_the_references(
    name: str, version: str, sizes: tuple[int, int, int], without_answer: int
) -> None:
    """Its fault: windows without the answer are at [CLS], and yet said to be answerable."""
    case = preprocessing_case("squad")
    kept = case.texts["kept"][name]
    examples = [x for x in questions(case.texts[version]) if x.id in kept]
    assert [x.id for x in examples] == kept
    encoded = _encoded(examples, *sizes)
    recorded = case.columns("{}/L{}_stride{}_query{}".format(name, *sizes))
    for column in ("input_ids", "input_mask", "segment_ids", "start_positions", "end_positions"):
        np.testing.assert_array_equal(encoded.rows.columns[column], recorded[column], column)
        assert encoded.rows.columns[column].dtype == recorded[column].dtype
    np.testing.assert_array_equal(encoded.example_of_row, recorded["eid"] // 1000)
    nowhere = recorded["start_positions"] == 0
    impossible = encoded.rows.columns["is_impossible"]
    np.testing.assert_array_equal(impossible, nowhere)
    np.testing.assert_array_equal(nowhere[recorded["is_impossible"] == 1], True)
    assert (impossible != recorded["is_impossible"]).sum() == without_answer


def test_windows_and_lengths() -> None:
    """Each begins a stride behind the one before, the last ends with the context."""
    context = " ".join("abcdefghij")
    encoded = _encoded([_question(context, ("e", 8))])
    windows = encoded.windows or ()
    assert [(w.first, w.count, w.column) for w in windows] == [(0, 7, 4), (3, 7, 4)]
    assert encoded.lengths.tolist() == [2 + 10 + 3]
    assert encoded.cut == 0
    ids = encoded.rows.columns["input_ids"]
    special = tokenizer().special
    query, text = ids_of("a b"), ids_of(context)
    assert ids[1].tolist() == [special.cls, *query, special.sep, *text[3:], special.sep]
    assert encoded.rows.columns["segment_ids"][1].tolist() == [0] * 4 + [1] * 8
    assert encoded.rows.columns["start_positions"].tolist() == [4 + 4, 4 + 4 - 3]


def test_windows_leave_nothing_out() -> None:
    """Even where the stride is longer than they are."""
    encoded = _encoded([_question(" ".join("abcdefghijklmnop"))], stride=100)
    assert [(w.first, w.count) for w in encoded.windows or ()] == [(0, 7), (7, 7), (14, 2)]


def test_a_long_question_is_cut() -> None:
    """And counted; its window has the room."""
    encoded = _encoded([_question("c d")], query=1, training=False)
    assert encoded.cut == 1
    assert [(w.count, w.column) for w in encoded.windows or ()] == [(2, 3)]


def test_a_context_without_a_token_has_a_row() -> None:
    """So that every question has an answer, if an empty one."""
    encoded = _encoded([_question(" \x00", impossible=True), _question("c", ("c", 0))])
    assert encoded.rows.columns["is_impossible"].tolist() == [1, 0]
    assert encoded.rows.columns["input_mask"].sum(1).tolist() == [5, 6]
    assert encoded.example_of_row.tolist() == [0, 1]
    assert len(_encoded([]).rows) == 0


@pytest.mark.parametrize(
    ("context", "answer", "start", "learned"),
    [
        ("born (1895-1943).", "1895", 6, "1895"),  # exactly its tokens
        ("of 1,1 or", "1", 5, "1 or"),  # the second, where the reference takes the first
        ("the Japanese-born man", "Japan", 4, "Japanese-born"),  # within a token: whole words
        ("a\u202fJapanese. e", "Japan", 2, "Japanese."),
        ("Zu\u0308rich. is", "Zu\u0308rich", 0, "Zu\u0308rich"),
        ("x a\x00b y", "ab", 2, "a\x00b"),  # as a person copied it from elsewhere
    ],
)
def test_where_an_answer_stands(context: str, answer: str, start: int, learned: str) -> None:
    """Its tokens, if they are those of its text, else those of the words around."""
    encoded = _encoded([_question(context, (answer, start))], 32, 16)
    (window,) = encoded.windows or ()
    columns = encoded.rows.columns
    first = int(columns["start_positions"][0]) - window.column
    last = int(columns["end_positions"][0]) - window.column
    found = context[window.context.begins[first] : window.context.ends[last]]
    assert found == learned.removesuffix(" or")  # which tells the place
    assert window.context.begins[first] == context.rindex(learned)


def test_answers_without_a_piece() -> None:
    """Nothing can be learned of them: refused with their places; other splits go on without."""
    example = _question("a \x00\x01 b", ("\x00\x01", 2))
    with pytest.raises(
        DataError, match=r"1 answer without a word piece: .*\(file.json, question q\)"
    ):
        _encoded([example])
    assert _encoded([example], training=False).rows.columns["is_impossible"].tolist() == [1]


@pytest.mark.parametrize("start", [-(10**30), -9, 5, 6, 10**30])
@pytest.mark.parametrize("context", ["a b c", ""])
def test_answers_beside_the_context(context: str, start: int) -> None:
    """Data that is scored may have them anywhere: no window holds the answer."""
    encoded = _encoded([_question(context, ("b", start))], training=False)
    assert encoded.rows.columns["is_impossible"].tolist() == [1]


def test_questions_whose_answers_are_not_known() -> None:
    """To predict: no window has one."""
    encoded = _encoded([_question("a b")], training=True)
    assert encoded.rows.columns["is_impossible"].tolist() == [1]
