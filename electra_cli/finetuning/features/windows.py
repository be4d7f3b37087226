"""Rows of a question and a window over its context.

Shapes: N rows, S sequence, T tokens of a text.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from electra_cli.config.finetune import TaskConfig
from electra_cli.corpus.subword.open import TextIds
from electra_cli.corpus.wordpiece.pieces import Ids, Pieces
from electra_cli.errors import DataError, counted, listed
from electra_cli.finetuning.examples.example import Question
from electra_cli.finetuning.features.encoded import Encoded, Window, lay_out
from electra_cli.inputs.labelled_rows import LabelledRows

_SPACES = " \t\r\n\u202f"  # what separates words where the reference looks for answers


def encode(
    examples: Sequence[Question],
    tokenizer: TextIds,
    task: TaskConfig,
    labels: Sequence[str],
    *,
    training: bool,
) -> Encoded:
    """Makes rows of questions: [CLS] question [SEP] window of the context [SEP].

    Windows are as wide as there is room beside the question, and each begins `task.doc_stride`
    tokens behind the one before (finetune/qa/qa_tasks.py: `featurize`). The first answer of several
    is learned. A row that does not hold all of it has
    both positions at [CLS] and says that it is impossible, whether another window has the answer
    or the question none: the prediction asks each window whether it has one.

    Args:
      examples: Of one split.
      tokenizer: That of the model.
      task: Says the length of rows, of questions and the stride.
      labels: Says nothing here.
      training: Every answer must have a word piece.

    Returns:
      The rows, with start_positions, end_positions and is_impossible, [N] int32. What is cut are
      questions; of a long context there are more windows.

    Raises:
      DataError: An answer to train with has no word piece.
    """
    contexts: dict[str, Pieces] = {}
    rows, windows, answers = [], [], []
    lengths = np.zeros(len(examples), np.int64)
    cut = 0
    lost: list[str] = []
    asked = tokenizer.ids([example.question for example in examples])
    right = _alone(
        ["".join(a.text for a in example.answers[:1]) for example in examples], tokenizer
    )
    for place, (example, query, answer) in enumerate(zip(examples, asked, right, strict=True)):
        context = contexts.get(example.context)
        if context is None:
            context = contexts[example.context] = tokenizer.pieces(example.context)
        count = len(context.ids)
        lengths[place] = len(query) + count + 3
        cut += len(query) > task.max_query_length
        query = query[: task.max_query_length]
        first, last = _answer(example, context, answer)
        if first > last:
            lost.append(f"{example.answers[0].text!r} ({example.where})")
        for begin, size in _spans(count, task.max_length - len(query) - 3, task.doc_stride):
            window = Window(place, context, begin, size, column=len(query) + 2)
            windows.append(window)
            rows.append((query, context.ids[begin : begin + size]))
            inside = begin <= first <= last < begin + size
            shift = window.column - begin
            answers.append((first + shift, last + shift, 0) if inside else (0, 0, 1))
    if training and lost:
        raise DataError(
            f"{counted(len(lost), 'answer')} without a word piece: {listed(lost)}",
            hint="leave these questions out of the training data, or mend their answers",
        )
    starts, ends, impossible = np.array(answers, np.int32).reshape(-1, 3).T.copy()  # [N] each
    return Encoded(
        rows=LabelledRows(
            {
                **lay_out(rows, len(rows), special=tokenizer.special, length=task.max_length),
                "start_positions": starts,
                "end_positions": ends,
                "is_impossible": impossible,
            }
        ),
        example_of_row=np.array([window.example for window in windows], np.int64),
        lengths=lengths,
        cut=cut,
        windows=windows,
    )


def _alone(texts: Sequence[str], tokenizer: TextIds) -> Iterable[Ids | None]:
    """The ids of answers; None where a text alone has others than behind a space."""
    return tokenizer.ids(texts) if tokenizer.kind == "wordpiece" else [None] * len(texts)


def _answer(example: Question, context: Pieces, ids: Ids | None) -> tuple[int, int]:
    """The first and the last token of the answer; the last before the first if it has none.

    An answer may begin or end within a token, as 'Japan' does in 'Japanese.': its tokens are not
    those of the context then, and all tokens of the words that it touches stand for it. Word pieces
    are compared themselves, as in the reference; of other tokens it is asked where they end.
    """
    if example.is_impossible or not example.answers:
        return -1, -1  # in no window
    answer = example.answers[0]
    begin, end = answer.start, answer.start + len(answer.text)
    first, last = _tokens_between(context, begin, end)
    if first > last:
        return first, last
    if ids is None:
        is_whole = (context.begins[first], context.ends[last]) == (begin, end)
    else:
        is_whole = context.ids[first : last + 1].tolist() == ids.tolist()
    if is_whole:
        return first, last
    while begin > 0 and example.context[begin - 1] not in _SPACES:
        begin -= 1
    while end < len(example.context) and example.context[end] not in _SPACES:
        end += 1
    return _tokens_between(context, begin, end)


def _tokens_between(context: Pieces, begin: int, end: int) -> tuple[int, int]:
    """The first and the last token that hold any of some characters."""
    first = np.searchsorted(context.ends, begin, side="right")
    last = np.searchsorted(context.begins, end, side="left") - 1
    return int(first), int(last)


def _spans(count: int, width: int, stride: int) -> Iterator[tuple[int, int]]:
    """Where each window begins and how many tokens it holds; one of none for an empty context."""
    begin = 0
    while True:
        size = min(width, count - begin)
        yield begin, size
        if begin + size == count:
            return
        begin += min(size, stride)
