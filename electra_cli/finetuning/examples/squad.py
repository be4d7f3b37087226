"""Questions of SQuAD 1.1 and 2.0.

data[] > paragraphs[] > context, qas[] > id, question, answers[] > text, answer_start; and in 2.0
is_impossible. Source: rajpurkar.github.io/SQuAD-explorer.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from electra_cli.errors import DataError, counted, listed
from electra_cli.finetuning.examples.content import MOST_SHOWN, as_text, faulty
from electra_cli.finetuning.examples.example import Answer, Question, Split

_HINT = "--task squad reads JSON as SQuAD has it: data, paragraphs, context, qas, id, question"


def read_squad(content: bytes, path: Path, *, name: str, labelled: bool) -> Split:
    """The questions of a file.

    An answer that does not stand at its offset is left out of training, as in the reference
    (finetune/qa/qa_tasks.py: `_add_examples`); elsewhere its text still counts as right.

    Args:
      content: The whole file.
      path: The file.
      name: Of the split.
      labelled: Whether answers are read.

    Raises:
      DataError: It is not of that form, or several questions that are predicted have one id.
    """
    text = as_text(content, path)
    try:
        document = json.loads(text)
        if "\\u" in text:  # an unpaired surrogate can be escaped, but is no text
            json.dumps(document, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path} is no JSON: {error}", hint=_HINT) from None

    examples: list[Question] = []
    lost: list[str] = []
    left_out = contradicting = 0
    trains = name == "train"
    version = document.get("version") if isinstance(document, dict) else None
    for context, qa, place in _questions(document, path):
        where = f"{path}, {place}"
        identity = str(_field(qa, "id", (str, int), where))
        question = _field(qa, "question", str, where)
        answers: tuple[Answer, ...] = ()
        is_impossible = False
        if labelled:
            found = tuple(_answers(qa, where))
            is_impossible = _field(qa, "is_impossible", bool, where, default=not found)
            contradicting += is_impossible and bool(found)
            answers = () if is_impossible else found
            if not answers and not is_impossible:
                raise DataError(
                    f"{where} ({identity}) has neither an answer nor is_impossible",
                    hint="give it answers, or is_impossible: true; data without is for `electra "
                    "finetune` with --predict FILE",
                )
        right = tuple(answer for answer in answers if stands(answer, context))
        wrong = [answer for answer in answers if answer not in right]
        lost += [f"{identity} ({_shown(answer, context)})" for answer in wrong]
        if trains and answers and not right:
            left_out += 1
            continue
        examples.append(
            Question(
                identity, question, context, right if trains else answers, is_impossible, where
            )
        )

    notes = []
    twice = [key for key, number in Counter(e.id for e in examples).items() if number > 1]
    if twice and not trains:
        raise faulty(
            path,
            "id",
            "of several questions",
            twice,
            hint="give each question an id of its own: predictions are told apart by it",
        )
    if twice:
        notes.append(
            f"{counted(len(twice), 'id')} of several questions: {listed(twice, MOST_SHOWN)}"
        )
    if lost:
        then = (
            f"{counted(left_out, 'question')} left out of training"
            if trains
            else "their texts still count as right"
        )
        verb = "does not stand at its" if len(lost) == 1 else "do not stand at their"
        notes.append(
            f"{counted(len(lost), 'answer')} {verb} offset, {then}: "
            f"{listed(lost, MOST_SHOWN, separator='; ')}"
        )
    if contradicting:
        notes.append(
            f"{counted(contradicting, 'question')} with answers and is_impossible: no answer is "
            "taken for right"
        )
    impossible = sum(example.is_impossible for example in examples)
    shown = f"SQuAD, version {version}" if isinstance(version, str) else "SQuAD"
    found_there = [("format", shown)]
    if labelled:
        found_there.append(("without an answer", f"{impossible:,} of {len(examples):,}"))
    return Split(name, path, tuple(examples), tuple(found_there), tuple(notes))


def stands(answer: Answer, context: str) -> bool:
    """Whether an answer is in the context where it says; case and white space do not count."""
    if answer.start < 0:
        return False
    there = context[answer.start : answer.start + len(answer.text)]
    return there == answer.text or _plain(there) == _plain(answer.text) != ""


def _plain(text: str) -> str:
    return " ".join(text.lower().split())


def _shown(answer: Answer, context: str) -> str:
    begin = answer.start
    there = f"{context[begin : begin + len(answer.text)][:40]!r} stands"
    if not 0 <= begin < len(context):
        there = f"the context has {counted(len(context), 'character')}"
    return f"{answer.text[:40]!r} at {begin:,}, where {there}"


def _questions(document: Any, path: Path) -> Iterator[tuple[str, dict[str, Any], str]]:
    """Context, question and place of all questions."""
    if not isinstance(document, dict):
        raise DataError(f"{path} is JSON, but no object with data", hint=_HINT)
    for first, article in enumerate(_field(document, "data", list, str(path))):
        place = f"data[{first}]"
        for second, paragraph in enumerate(_field(article, "paragraphs", list, f"{path}, {place}")):
            inner = f"{place}.paragraphs[{second}]"
            context = _field(paragraph, "context", str, f"{path}, {inner}")
            for third, qa in enumerate(_field(paragraph, "qas", list, f"{path}, {inner}")):
                yield context, qa, f"{inner}.qas[{third}]"


def _answers(qa: dict[str, Any], where: str) -> Iterator[Answer]:
    for number, answer in enumerate(_field(qa, "answers", list, where, default=[])):
        place = f"{where}.answers[{number}]"
        yield Answer(_field(answer, "text", str, place), _field(answer, "answer_start", int, place))


def _field(holder: Any, name: str, kind: Any, where: str, *, default: Any = None) -> Any:
    """A field of an object.

    Raises:
      DataError: It is not there, or of another kind.
    """
    value = holder.get(name, default) if isinstance(holder, dict) else None
    is_flag = isinstance(value, bool) and kind is not bool
    if not isinstance(value, kind) or is_flag:
        got = "is not there" if value is None else f"is {json.dumps(value)[:60]}"
        raise DataError(f"{where}: {name!r} {got}", hint=_HINT)
    return value
