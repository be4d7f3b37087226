"""Questions of the recorded cases."""

from __future__ import annotations

from typing import Any

from electra_cli.finetuning.examples.example import Answer, Question


def questions(data: dict[str, Any]) -> list[Question]:
    """Those of a file in SQuAD's form."""
    return [
        Question(
            id=asked["id"],
            question=asked["question"],
            context=paragraph["context"],
            answers=tuple(Answer(x["text"], x["answer_start"]) for x in asked["answers"]),
            is_impossible=asked.get("is_impossible", False),
            where="",
        )
        for article in data["data"]
        for paragraph in article["paragraphs"]
        for asked in paragraph["qas"]
    ]
