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


class HeldOutTokens(Record):
    """The held-out tokens that may be masked: all but padding, [CLS], [SEP] and [MASK].

    Attributes:
      tokens: How many.
      distinct_tokens: Word pieces among them.
      most_frequent: How often the most frequent word piece is there.
      unigram_entropy: Of their frequencies, in nats: no guess that is the same for every token,
        the frequencies themselves included, has a lower loss on them.
    """

    tokens: int
    distinct_tokens: int
    most_frequent: int
    unigram_entropy: float

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
        return cls(
            tokens=tokens,
            distinct_tokens=len(met),
            most_frequent=met[0],
            unigram_entropy=round(max(0.0, entropy), _DIGITS),
        )
