"""What is held out, in counts that give the numbers of a run their meaning.

Shapes: V vocabulary.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from electra_cli.corpus.wordpiece.vocabulary import SpecialIds
from electra_cli.files.record import Record

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

# Digits of an entropy: more would be other ones where another library takes logarithms.
_DIGITS = 6
# Nats. Above it the tokens are too few: the correction is the first term of a series, and what it
# leaves out is then as large as what a baseline is to tell apart.
_LARGEST_CORRECTION = 0.25


class HeldOutTokens(Record):
    """The held-out tokens that may be masked: all but padding, [CLS], [SEP] and [MASK].

    Attributes:
      tokens: How many.
      distinct_tokens: Word pieces among them.
      most_frequent: How often the most frequent word piece is there.
      unigram_entropy: Of the language that they are a sample of, in nats: the lowest loss of a
        guess that is the same for every token. The entropy of a sample's own frequencies is too
        low, by about (distinct_tokens - 1) / (2 tokens), which is added (Miller, 1955, Note on
        the bias of information estimates). None where that is above 0.25.
    """

    tokens: int
    distinct_tokens: int
    most_frequent: int
    unigram_entropy: float | None

    @classmethod
    def of(
        cls, frequencies: npt.NDArray[np.int64], special_ids: SpecialIds
    ) -> HeldOutTokens | None:
        """Sums up how often each id is there; None if there is no such token.

        Args:
          frequencies: Of all held-out ids, [V].
          special_ids: Which of them are never masked.
        """
        counts = frequencies.copy()  # [V]
        counts[[special_ids.pad, special_ids.cls, special_ids.sep, special_ids.mask]] = 0
        met = sorted(counts[counts > 0].tolist(), reverse=True)
        if not met:
            return None
        tokens = sum(met)
        # A sum that is exact does not depend on the order of its parts.
        entropy = math.log(tokens) - math.fsum(n * math.log(n) for n in met) / tokens
        correction = (len(met) - 1) / (2 * tokens)
        corrected = round(max(0.0, entropy) + correction, _DIGITS)
        return cls(
            tokens=tokens,
            distinct_tokens=len(met),
            most_frequent=met[0],
            unigram_entropy=corrected if correction <= _LARGEST_CORRECTION else None,
        )
