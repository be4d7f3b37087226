"""What labelled files hold: texts, sentences of tagged words, questions."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class TextExample:
    """One or two texts, for classification and regression.

    Attributes:
      texts: One or two.
      label: The label, the number of a regression, or None where it is not known.
      where: File and line, for errors.
    """

    texts: tuple[str, ...]
    label: str | float | None
    where: str


@dataclass(frozen=True)
class Sentence:
    """Words with a tag each.

    Attributes:
      words: As the file has them.
      tags: One for each word; None where they are not known.
      where: File and line of the first word.
    """

    words: tuple[str, ...]
    tags: tuple[str, ...] | None
    where: str


@dataclass(frozen=True)
class Answer:
    """A right answer: characters of the context, from `start` on."""

    text: str
    start: int


@dataclass(frozen=True)
class Question:
    """A question about a text that may answer it.

    Attributes:
      id: Of the question, unique in its file.
      question: The question.
      context: The text.
      answers: All that are right; empty if there is none or it is not known.
      is_impossible: The context does not answer it.
      where: File and place, for errors.
    """

    id: str
    question: str
    context: str
    answers: tuple[Answer, ...]
    is_impossible: bool
    where: str


Example = TextExample | Sentence | Question


@dataclass(frozen=True)
class Split:
    """The examples of one file.

    Attributes:
      name: train, dev, dev_mismatched or predict.
      path: The file.
      examples: All of one kind, in the file's order.
      found: What was found there, for people: columns with their types, the tagging scheme.
      notes: What was passed over, with numbers.
    """

    name: str
    path: Path
    examples: tuple[Example, ...]
    found: tuple[tuple[str, str], ...] = ()
    notes: tuple[str, ...] = ()
