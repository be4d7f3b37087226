"""From what a model says of windows to the best answers, in the text's own characters.

Shapes: N windows, S sequence, K starts of a window and K ends that are looked at, M spans of a
question.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from electra_cli.config.finetune import TaskConfig
from electra_cli.finetuning.examples.example import Question
from electra_cli.finetuning.features.encoded import Encoded, Window

_Ints = npt.NDArray[np.int64]
_Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class FoundAnswer:
    """A possible answer.

    Attributes:
      text: Characters of the context as they stand there.
      start: The first of them.
      score: Sum of the logits, or of the log probabilities, of its start and its end.
      probability: Its share among the answers of the question that were found.
    """

    text: str
    start: int
    score: float
    probability: float


@dataclass(frozen=True)
class QuestionAnswers:
    """What was found for a question.

    Attributes:
      id: Of the question.
      answers: The best first, no text twice; none if the context has no token.
      null_odds: How much speaks for no answer: the lowest logit of a window that it has none, or
        where the head says no such thing the lowest score of [CLS], less the best answer's; 0 if
        the outputs have neither.
    """

    id: str
    answers: tuple[FoundAnswer, ...]
    null_odds: float

    @property
    def text(self) -> str:
        """The best answer, or the empty text."""
        return self.answers[0].text if self.answers else ""


Chooser = Callable[[Sequence[Window], _Ints, _Ints], _Ints]


def window_of(windows: Sequence[Window], first: _Ints, last: _Ints) -> _Ints:
    """Which window of a context sees most around a span, so that one alone speaks of it.

    What counts is the smaller of the numbers of tokens before and behind. The reference asks it of
    the first token alone, and loses spans of which that window does not hold the last.

    Args:
      windows: Those of one question.
      first: First tokens of spans in the context, [M].
      last: Their last tokens, [M].

    Returns:
      The place of the window, the first of several; [M].
    """
    begins = np.array([[window.first] for window in windows])  # [windows, 1]
    counts = np.array([[window.count] for window in windows])  # [windows, 1]
    around = np.minimum(first - begins, begins + counts - 1 - last)  # [windows, M]
    return np.argmax(np.where(around < 0, -1.0, around + 0.01 * counts), axis=0)  # [M]


def best_answers(
    examples: Sequence[Question],
    encoded: Encoded,
    outputs: Mapping[str, npt.NDArray[Any]],
    task: TaskConfig,
    *,
    choose: Chooser = window_of,
) -> list[QuestionAnswers]:
    """Finds the best answers of questions (finetune/qa/qa_metrics.py: `write_predictions`).

    Args:
      examples: The questions.
      encoded: What `windows.encode` made of them.
      outputs: Of the head, for all rows in order: start_logits and end_logits [N, S]; or
        start_top_log_probs and start_top_index [N, K], end_top_log_probs and end_top_index
        [N, K, K]; and answerable_logit [N], which is high where there is no answer.
      task: Says how many answers, and how long ones, are looked for.
      choose: Says which window speaks of a span.

    Returns:
      One for each question, in order.
    """
    windows = encoded.windows or ()
    starts, ends, scores = _spans(outputs, task.n_best)  # [N, K, K] each
    null = _null_scores(outputs)
    rows = np.searchsorted(encoded.example_of_row, np.arange(len(examples) + 1))
    found = []
    for place, example in enumerate(examples):
        own = slice(rows[place], rows[place + 1])
        answers = _best(example, windows[own], starts[own], ends[own], scores[own], task, choose)
        odds = float(null[own].min())
        if answers and "answerable_logit" not in outputs and "start_logits" in outputs:
            odds -= answers[0].score
        found.append(QuestionAnswers(example.id, answers, odds))
    return found


def _spans(outputs: Mapping[str, npt.NDArray[Any]], most: int) -> tuple[_Ints, _Ints, _Floats]:
    """First column, last column and score of the spans that are looked at; [N, K, K] each."""
    if "start_top_index" in outputs:
        ends = outputs["end_top_index"]  # [N, K, K]
        starts = np.broadcast_to(outputs["start_top_index"][:, :, None], ends.shape)
        scores = outputs["start_top_log_probs"][:, :, None] + outputs["end_top_log_probs"]
        return starts, ends, scores
    first, last = (
        np.argsort(-outputs[name], axis=1, kind="stable")[:, :most]  # [N, K]
        for name in ("start_logits", "end_logits")
    )
    first_scores = np.take_along_axis(outputs["start_logits"], first, axis=1)  # [N, K]
    last_scores = np.take_along_axis(outputs["end_logits"], last, axis=1)  # [N, K]
    starts, ends = np.broadcast_arrays(first[:, :, None], last[:, None, :])  # [N, K, K]
    return starts, ends, first_scores[:, :, None] + last_scores[:, None, :]


def _null_scores(outputs: Mapping[str, npt.NDArray[Any]]) -> npt.NDArray[Any]:
    """What each window says for no answer, [N]."""
    if "answerable_logit" in outputs:
        return outputs["answerable_logit"]
    if "start_logits" in outputs:
        return outputs["start_logits"][:, 0] + outputs["end_logits"][:, 0]
    return np.zeros(len(outputs["start_top_index"]))


def _best(
    example: Question,
    windows: Sequence[Window],
    starts: _Ints,
    ends: _Ints,
    scores: _Floats,
    task: TaskConfig,
    choose: Chooser,
) -> tuple[FoundAnswer, ...]:
    columns, counts, firsts = np.array([(w.column, w.count, w.first) for w in windows]).T
    inside = starts >= columns[:, None, None]
    inside &= ends < (columns + counts)[:, None, None]
    inside &= (starts <= ends) & (ends - starts < task.max_answer_length)
    row, *_ = spans = np.nonzero(inside)  # [M] each
    first, last = (found[spans] + (firsts - columns)[row] for found in (starts, ends))  # [M]
    chosen = np.flatnonzero(choose(windows, first, last) == row)
    score = scores[spans]  # [M]
    best: dict[str, tuple[int, float]] = {}
    context = windows[0].context
    for span in chosen[np.argsort(-score[chosen], kind="stable")].tolist():
        if len(best) == task.n_best:
            break
        begin, end = int(context.begins[first[span]]), int(context.ends[last[span]])
        if begin == end:
            continue  # a token of white space, which other tokenizers than WordPiece have
        best.setdefault(example.context[begin:end], (begin, float(score[span])))
    found_scores = np.array([value for _, value in best.values()])
    raised = np.exp(found_scores - found_scores.max(initial=-np.inf))
    return tuple(
        FoundAnswer(text, start, value, float(share))
        for (text, (start, value)), share in zip(best.items(), raised / raised.sum(), strict=True)
    )
