"""Rows by tokenizers of the library: words and answers are found whatever marks a space."""

from __future__ import annotations

import numpy as np
import pytest

from electra_cli.config.finetune import TaskConfig
from electra_cli.corpus.subword.open import TextIds, open_tokenizer
from electra_cli.finetuning.examples.example import Answer, Question, Sentence, TextExample
from electra_cli.finetuning.features import sequences, windows, words
from electra_cli.finetuning.features.answers import best_answers
from tests.given_tokenizers import KINDS, given_tokenizer

# A snowman that only bytes know, letters that are none of ASCII, and words without spaces.
CONTEXT = "The naïve cat (of Tokyo) sat on  the ☃ mat. 猫が座る。 It's 1999, tested."
ANSWERS = ["The", "naïve cat", "Tokyo", "sat", "mat", "猫が座る", "1999", "tested."]
QUESTION = "Who sat?"


@pytest.fixture(scope="module", params=KINDS)
def tokenizer(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> TextIds:
    folder = tmp_path_factory.mktemp(request.param)
    return open_tokenizer(given_tokenizer(request.param, folder), None)


def test_texts_and_pairs(tokenizer: TextIds) -> None:
    task = TaskConfig(max_length=64)
    pair = TextExample(("The cat sat.", "It's 1999"), "a", "")
    ids = [found.tolist() for found in tokenizer.ids(pair.texts)]
    special = tokenizer.special
    columns = sequences.encode([pair], tokenizer, task, ("a", "b"), training=True).rows.columns
    expected = [special.cls, *ids[0], special.sep, *ids[1], special.sep]
    row = columns["input_ids"][0].tolist()
    assert row == expected + [special.pad] * (64 - len(expected))
    assert columns["input_mask"][0].sum() == len(expected)
    assert columns["segment_ids"][0].sum() == len(ids[1]) + 1


def test_a_word_begins_where_it_does_in_the_sentence(tokenizer: TextIds) -> None:
    sentence = Sentence(("The", "naïve", "cat", ",", "☃", "tested", "."), ("A",) * 7, "")
    task = TaskConfig(kind="tagging", max_length=64)
    encoded = words.encode([sentence], tokenizer, task, ("A", "B"), training=True)
    columns = encoded.rows.columns
    text = " ".join(sentence.words)
    pieces = tokenizer.pieces(text)
    count = len(pieces.ids)
    assert columns["input_ids"][0, 1 : count + 1].tolist() == pieces.ids.tolist()
    assert columns["labels_mask"][0].sum() == len(sentence.words)
    firsts = columns["labeled_positions"][0, : len(sentence.words)] - 1
    begins = [text.index(f" {word}") + 1 if n else 0 for n, word in enumerate(sentence.words)]
    assert pieces.begins[firsts].tolist() == begins
    assert (np.diff(firsts) > 0).all()


@pytest.mark.parametrize("answer", ANSWERS)
def test_an_answer_there_and_back(tokenizer: TextIds, answer: str) -> None:
    """Its tokens are learned, and the model that says them says its characters."""
    start = CONTEXT.index(answer)
    example = Question("q", QUESTION, CONTEXT, (Answer(answer, start),), False, "")
    sizes = {"max_length": 128, "doc_stride": 32, "max_query_length": 32, "max_answer_length": 64}
    task = TaskConfig(kind="qa", n_best=1, **sizes)
    encoded = windows.encode([example], tokenizer, task, (), training=True)
    columns = encoded.rows.columns
    (row,) = np.flatnonzero(columns["is_impossible"] == 0)
    logits = np.full((2, *columns["input_ids"].shape), -10.0, np.float32)
    logits[0, row, columns["start_positions"][row]] = 5.0
    logits[1, row, columns["end_positions"][row]] = 5.0
    outputs = {"start_logits": logits[0], "end_logits": logits[1]}
    (found,) = best_answers([example], encoded, outputs, task)
    wider = ["猫が座る。"] if answer == "猫が座る" else []  # where a token goes on behind it
    assert found.text in [answer, *wider]
    assert found.answers[0].start == start


def test_every_character_has_its_tokens(tokenizer: TextIds) -> None:
    """A character of several tokens, as of bytes, is whole in each; white space is in none."""
    pieces = tokenizer.pieces(CONTEXT)
    assert (pieces.begins <= pieces.ends).all()
    assert (np.diff(pieces.begins) >= 0).all()
    assert (np.diff(pieces.ends) >= 0).all()
    covered = np.zeros(len(CONTEXT), bool)
    for begin, end in zip(pieces.begins, pieces.ends, strict=True):
        covered[begin:end] = True
        assert CONTEXT[begin:end] == CONTEXT[begin:end].strip()
    assert [c for c, there in zip(CONTEXT, covered, strict=True) if not there and c != " "] == []
