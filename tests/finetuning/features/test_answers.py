"""Answers from recorded outputs equal the reference's but for its faults, which are named here."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from electra_cli.config.finetune import TaskConfig
from electra_cli.finetuning.examples.example import Question
from electra_cli.finetuning.features.answers import QuestionAnswers, best_answers, window_of
from electra_cli.finetuning.features.encoded import Encoded, Window
from electra_cli.finetuning.features.windows import encode
from tests.finetuning.features.squad_questions import questions
from tests.golden.preprocessing_case import ids_of, preprocessing_case, tokenizer

# The answers that differ, by their questions, among 21 of each mode.
# Fault: which window speaks of a span is asked of its first token alone.
_BY_FIRST_TOKEN = {
    "squadv1_independent": {"5733f309d058e614000b6649", "5733f309d058e614000b664a"},
    "squadv1_joint": {
        "57302bd0b2c2fd14005689de",
        "5733f309d058e614000b6649",
        "5733f309d058e614000b664a",
        "57294209af94a219006aa202",
        "5733d68ed058e614000b6381",
    },
    "squad_joint_answerable": {
        "5733f309d058e614000b664a",
        "57293e221d046914007791d6",
        "57294209af94a219006aa203",
    },
    "squad_independent_null_score": {"5733f309d058e614000b664a", "57293e221d046914007791d7"},
}
# Fault: an answer with an unknown token is not found in the text, and becomes whole words.
_UNKNOWN_TOKEN = {
    "squadv1_independent": {"57293e221d046914007791d7": ("3 °C per", "0.3 °C per")},
    "squad_independent_null_score": {"57293e221d046914007791d5": ('" (BAU)', 'usual" (BAU)')},
}
_MODES = sorted(preprocessing_case("qa_postprocessing").texts["modes"])


def _found(mode: str, **arguments: Any) -> tuple[list[QuestionAnswers], dict[str, Any]]:
    case = preprocessing_case("qa_postprocessing")
    recorded = case.texts["modes"][mode]
    config = recorded["config"]
    examples = questions(case.texts["v2" if recorded["task"] == "squad" else "v1"])
    assert [x.id for x in examples] == recorded["question_ids"]
    task = TaskConfig(
        kind="qa",
        max_length=config["max_seq_length"],
        doc_stride=config["doc_stride"],
        max_query_length=config["max_query_length"],
        n_best=config["n_best_size"],
        max_answer_length=config["max_answer_length"],
    )
    encoded = encode(examples, tokenizer(), task, (), training=False)
    outputs = case.columns(mode)
    np.testing.assert_array_equal(outputs["eid"] // 1000, encoded.example_of_row)
    return best_answers(examples, encoded, outputs, task, **arguments), recorded


@pytest.mark.parametrize("mode", _MODES)
def test_answers_are_the_references(mode: str) -> None:
    """With its choice of windows all are equal, but for those with an unknown token."""

    def by_first_token(windows: list[Window], first: Any, last: Any) -> npt.NDArray[np.int64]:
        return window_of(windows, first, first)

    found, recorded = _found(mode, choose=by_first_token)
    theirs = recorded["predictions"]
    unknown = {x.id: x for x in found if x.text != theirs[x.id]}
    expected = {name for name in _UNKNOWN_TOKEN.get(mode, ()) if name in theirs}
    assert set(unknown) == expected
    for name, one in unknown.items():
        ours, whole = _UNKNOWN_TOKEN[mode][name]
        assert one.text.startswith(ours)
        assert theirs[name] == whole + one.text.removeprefix(ours)
        assert tokenizer().special.unk in ids_of(one.text)
    for one in found:
        # Differences of sums in float32.
        assert one.null_odds == pytest.approx(
            recorded.get("null_odds", {}).get(one.id, one.null_odds), abs=1e-5
        )


@pytest.mark.parametrize("mode", _MODES)
def test_each_span_is_judged_by_one_window(mode: str) -> None:
    """That which sees most around all of it: exactly these answers become others."""
    found, recorded = _found(mode)
    differ = {x.id for x in found if x.text != recorded["predictions"][x.id]}
    expected = _BY_FIRST_TOKEN[mode] | set(_UNKNOWN_TOKEN.get(mode, ()))
    assert differ == expected & set(recorded["predictions"])


@pytest.mark.parametrize("mode", _MODES)
def test_what_an_answer_is(mode: str) -> None:
    """Characters of the context, the best first, no text twice; shares of all that were found."""
    case = preprocessing_case("qa_postprocessing")
    contexts = {x.id: x.context for x in questions(case.texts["v1"])}
    for one in _found(mode)[0]:
        assert 0 < len(one.answers) <= 20
        texts = [answer.text for answer in one.answers]
        assert len(set(texts)) == len(texts)
        for answer in one.answers:
            assert contexts[one.id].startswith(answer.text, answer.start)
        scores = np.array([answer.score for answer in one.answers])
        assert (np.diff(scores) <= 0).all()
        shares = np.array([answer.probability for answer in one.answers])
        assert shares.sum() == pytest.approx(1)
        np.testing.assert_allclose(shares / shares[0], np.exp(scores - scores[0]), rtol=1e-6)


def test_the_window_that_sees_most() -> None:
    """Every span that a window holds has one, which holds it and has most on its worse side."""
    _, encoded, _ = _one("a b c d e f g h i j k l m n o p q r", doc_stride=3)
    windows = encoded.windows or ()
    assert len(windows) > 2
    held = [
        (first, last)
        for first in range(18)
        for last in range(first, 18)
        if any(w.first <= first and last < w.first + w.count for w in windows)
    ]
    firsts, lasts = np.array(held).T
    for first, last, place in zip(firsts, lasts, window_of(windows, firsts, lasts), strict=True):
        around = [min(first - w.first, w.first + w.count - 1 - last) for w in windows]
        assert around[place] == max(around) >= 0


def test_long_windows_count_more() -> None:
    """A hundred tokens as much as one more around the span, as in the reference."""
    _, encoded, _ = _one("a")
    assert encoded.windows is not None
    window = encoded.windows[0]
    windows = [replace(window, first=0, count=300), replace(window, first=200, count=200)]
    places = np.arange(248, 253)
    # Around it 51 … 47 and 48 … 52 tokens, to which the windows add 3 and 2.
    assert window_of(windows, places, places).tolist() == [0, 0, 0, 1, 1]


def test_texts_of_tokens() -> None:
    """Texts that the reference found for token sequences: the characters that they stand for."""
    recorded = preprocessing_case("qa_postprocessing").texts["final_text"]
    tokens = tokenizer().tokens
    differ = []
    for one in recorded:
        text = one["orig_text"]
        pieces = tokenizer().pieces(text)
        found = [
            text[pieces.begins[first] : pieces.ends[last]]
            for first in range(len(pieces.ids))
            for last in range(first, len(pieces.ids))
            if " ".join(tokens[i] for i in pieces.ids[first : last + 1])
            .replace(" ##", "")
            .replace("##", "")
            == one["pred_text"]
        ]
        if found[:1] != [one["text"]]:
            differ.append((one["pred_text"], found))
    assert len(recorded) == 90
    unknown, *others = differ
    assert "[UNK]" in unknown[0]
    assert others == [("straße", []), ("not there", []), ("東 京", [])]  # not of these tokens


def _outputs(starts: dict[int, float], ends: dict[int, float], length: int) -> dict[str, Any]:
    made = {}
    for name, values in (("start_logits", starts), ("end_logits", ends)):
        made[name] = np.zeros((1, length), np.float32)
        for column, value in values.items():
            made[name][0, column] = value
    return made


def _one(context: str, **task: Any) -> tuple[list[Question], Encoded, TaskConfig]:
    config = TaskConfig(kind="qa", max_length=16, max_query_length=4, **task)
    examples = [Question("q", "x", context, (), False, "")]
    return examples, encode(examples, tokenizer(), config, (), training=False), config


@pytest.mark.parametrize(
    ("starts", "ends", "text"),
    [
        ({3: 9}, {4: 9}, "a B"),  # casing and spaces are the text's
        ({3: 9, 1: 99}, {4: 9}, "a B"),  # not in the question
        ({3: 9}, {4: 9, 0: 99, 15: 99}, "a B"),  # nor at [CLS], nor in padding
        ({5: 9}, {3: 9, 5: 8}, "c"),  # not backwards
        ({3: 9}, {5: 9, 4: 8}, "a B"),  # no longer than asked for
    ],
)
def test_which_spans_count(starts: dict[int, float], ends: dict[int, float], text: str) -> None:
    """Within the context, forwards, and not too long."""
    examples, encoded, task = _one("a B c. d", max_answer_length=2)
    assert encoded.windows is not None
    assert encoded.windows[0].column == 3
    (found,) = best_answers(examples, encoded, _outputs(starts, ends, 16), task)
    assert found.text == text


def test_null_odds_of_the_first_column() -> None:
    """The score of [CLS] against that of the best answer."""
    examples, encoded, task = _one("a b c")
    (found,) = best_answers(examples, encoded, _outputs({0: 3, 3: 5}, {0: 4, 4: 6}, 16), task)
    assert found.text == "a b"
    assert found.answers[0].score == 11
    assert found.null_odds == 7 - 11


def test_a_context_without_a_token_has_no_answer() -> None:
    """And the odds are what [CLS] says."""
    examples, encoded, task = _one("\x00")
    (found,) = best_answers(examples, encoded, _outputs({0: 3}, {0: 4}, 16), task)
    assert found.answers == ()
    assert found.text == ""
    assert found.null_odds == 7
    assert best_answers([], encoded, _outputs({}, {}, 16), task) == []
