"""Questions as SQuAD has them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from electra_cli.config.finetune import TaskConfig
from electra_cli.errors import DataError
from electra_cli.finetuning.examples.example import Answer, Split
from electra_cli.finetuning.examples.readers import read_split
from tests.golden.preprocessing_case import preprocessing_case

CONTEXT = "The cat sat on the mat. The end."
RIGHT = {"text": "cat", "answer_start": 4}
TASK = TaskConfig(kind="qa", max_length=384)


def question(id: Any = "1", answers: Any = (RIGHT,), **more: Any) -> dict[str, Any]:
    return {"id": id, "question": "Who sat?", "answers": list(answers)} | more


def document(*questions: dict[str, Any], **more: Any) -> str:
    paragraph = {"context": CONTEXT, "qas": questions} | more
    return json.dumps({"version": "v2.0", "data": [{"title": "x", "paragraphs": [paragraph]}]})


def read(path: Path, content: str, name: str = "train", labelled: bool = True) -> Split:
    path.write_text(content)
    return read_split(path, TASK, name=name, labelled=labelled)


def test_questions(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    second = question("2", [], is_impossible=True, plausible_answers=[RIGHT])
    split = read(path, document(question(is_impossible=False), second, question(3, [])))
    assert [(e.id, e.answers, e.is_impossible) for e in split.examples] == [
        ("1", (Answer("cat", 4),), False),
        ("2", (), True),
        ("3", (), True),
    ]
    assert split.examples[1].where == f"{path}, data[0].paragraphs[0].qas[1]"
    assert split.found == (("format", "SQuAD, version v2.0"), ("without an answer", "2 of 3"))
    assert split.notes == ()


@pytest.mark.parametrize(("version", "kept"), [("v1", "squadv1"), ("v2", "squad")])
def test_the_reference_learns_from_the_same(version: str, kept: str, tmp_path: Path) -> None:
    case = preprocessing_case("squad").texts
    split = read(tmp_path / "a.json", json.dumps(case[version]))
    assert [example.id for example in split.examples] == case["kept"][kept]


def test_predictions_need_no_answers(tmp_path: Path) -> None:
    content = document({"id": "1", "question": "Who?"})
    split = read(tmp_path / "a.json", content, "predict", labelled=False)
    assert split.examples[0].answers == ()
    assert not split.examples[0].is_impossible


@pytest.mark.parametrize("text", ["cat", "Cat", " cat ", "The  CAT sat"])
def test_case_and_white_space_do_not_count(text: str, tmp_path: Path) -> None:
    start = CONTEXT.lower().find(" ".join(text.lower().split())) - (text[0] == " ")
    split = read(
        tmp_path / "a.json", document(question(answers=[{"text": text, "answer_start": start}]))
    )
    assert split.examples[0].answers == (Answer(text, start),)
    assert split.notes == ()


def test_answers_elsewhere(tmp_path: Path) -> None:
    wrong = [{"text": "dog", "answer_start": 4}, {"text": "mat", "answer_start": 400}]
    behind = {"text": "end. And more", "answer_start": 28}
    content = document(
        question("1", [wrong[0], RIGHT]),
        question("2", wrong[:1]),
        *(question(str(number), [behind]) for number in range(3, 8)),
        question("8", wrong[1:]),
        question("9"),
    )
    train = read(tmp_path / "a.json", content)
    assert [(e.id, e.answers) for e in train.examples] == [
        ("1", (Answer("cat", 4),)),
        ("9", (Answer("cat", 4),)),
    ]
    [note] = train.notes
    assert note.startswith(
        "8 answers do not stand at their offset, 7 questions left out of training: "
        "1 ('dog' at 4, where 'cat' stands); 2 ('dog' at 4, where 'cat' stands); "
        "3 ('end. And more' at 28, where 'end.' stands)"
    )
    assert note.endswith(" and 3 more")

    dev = read(tmp_path / "a.json", content, "dev")
    assert len(dev.examples) == 9
    assert dev.examples[0].answers == (Answer("dog", 4), Answer("cat", 4))
    assert "their texts still count as right" in dev.notes[0]


def test_ids_of_several_questions(tmp_path: Path) -> None:
    content = document(question(), question(), question("2"))
    assert read(tmp_path / "a.json", content).notes == ("1 id of several questions: 1",)
    with pytest.raises(DataError, match="1 id of several questions: 1"):
        read(tmp_path / "a.json", content, "dev")


def test_an_impossible_question_with_answers(tmp_path: Path) -> None:
    split = read(tmp_path / "a.json", document(question(is_impossible=True)))
    assert split.examples[0].answers == ()
    assert split.notes[0].startswith("1 question with answers and is_impossible")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("text,label\n", "is no JSON: Expecting value: line 1 column 1"),
        ("[1]", "is JSON, but no object with data"),
        ('{"data": {}}', "'data' is {}"),
        ('{"data": [{"title": "x"}]}', "data[0]: 'paragraphs' is not there"),
        ('{"data": []}', "has no examples for train"),
        ('{"data": [], "version": "\\ud800"}', "surrogates not allowed"),
        (document(context=None), "data[0].paragraphs[0]: 'context' is not there"),
        (document(question(None)), "qas[0]: 'id' is not there"),
        (document(question(question=3)), "qas[0]: 'question' is 3"),
        (document(question(answers=[{"text": "cat", "answer_start": "4"}])),
         "qas[0].answers[0]: 'answer_start' is \"4\""),
        (document(question(answers=[{"text": "cat", "answer_start": True}])),
         "'answer_start' is true"),
        (document(question(answers=[], is_impossible=False)),
         "qas[0] (1) has neither an answer nor is_impossible"),
        (document(question(answers=[{"text": "dog", "answer_start": 4}])),
         "has no examples for train (1 answer does not stand at its offset"),
    ],
)  # fmt: skip
def test_faults(content: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(DataError) as error:
        read(tmp_path / "a.json", content)
    assert message in error.value.message
    assert error.value.hint
