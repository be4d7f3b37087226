"""What features are, and how ids become rows.

Shapes: N rows, S sequence, T tokens of a text.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from electra_cli.corpus.wordpiece.pieces import Ids, Pieces
from electra_cli.corpus.wordpiece.vocabulary import SpecialIds
from electra_cli.inputs.labelled_rows import LabelledRows


@dataclass(frozen=True)
class Window:
    """The part of a context that a row holds.

    Attributes:
      example: The question's place among the examples.
      context: Tokens of the whole context.
      first: The first of them in the row.
      count: How many are in the row.
      column: Where they begin in the row.
    """

    example: int
    context: Pieces
    first: int
    count: int
    column: int


@dataclass(frozen=True)
class Encoded:
    """The rows of a split, and what became of its examples.

    Attributes:
      rows: The rows.
      example_of_row: Which example each is of, [N].
      lengths: Tokens of each example, [CLS] and [SEP] included, before anything was cut.
      cut: Examples of which something was cut off.
      windows: Of questions, what each row holds of the context, N; None for other kinds.
    """

    rows: LabelledRows
    example_of_row: npt.NDArray[np.int64]
    lengths: npt.NDArray[np.int64]
    cut: int
    windows: Sequence[Window] | None = None

    def unknown(self, special: SpecialIds) -> float:
        """[UNK] as a share of the tokens of all rows but [CLS] and [SEP]; 0 without any.

        There is none of tokenizers that have pieces for everything.
        """
        ids, mask = self.rows.columns["input_ids"], self.rows.columns["input_mask"]  # [N, S]
        words = (mask > 0) & (ids != special.cls) & (ids != special.sep)  # [N, S]
        return float((ids == special.unk).sum() / max(1, words.sum()))


def lay_out(
    texts: Iterable[tuple[Ids, Ids | None]], count: int, *, special: SpecialIds, length: int
) -> dict[str, npt.NDArray[np.int32]]:
    """Puts [CLS] before the first text of each row, and [SEP] behind each.

    Args:
      texts: One or two of each row, [T] each, that fit with their [CLS] and [SEP].
      count: N.
      special: Ids of the special tokens.
      length: S.

    Returns:
      input_ids, input_mask and segment_ids, which are 1 behind the first [SEP], up to the last;
      [N, S] each.
    """
    ids = np.full((count, length), special.pad, np.int32)  # [N, S]
    ids[:, 0] = special.cls
    firsts, ends = np.zeros((2, count), np.int32)  # behind the first [SEP] and the last, [N] each
    for row, (first, second) in enumerate(texts):
        end = len(first) + 2
        ids[row, 1 : end - 1] = first
        ids[row, end - 1] = special.sep
        firsts[row] = end
        if second is not None:
            begin, end = end, end + len(second) + 1
            ids[row, begin : end - 1] = second
            ids[row, end - 1] = special.sep
        ends[row] = end
    columns = np.arange(length, dtype=np.int32)  # [S]
    mask = columns < ends[:, None]  # [N, S]
    segments = mask & (columns >= firsts[:, None])  # [N, S]
    return {
        "input_ids": ids,
        "input_mask": mask.astype(np.int32),
        "segment_ids": segments.astype(np.int32),
    }
