"""What exported models are compared on.

Shapes: B batch, S sequence.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from electra_cli.corpus.wordpiece.vocabulary import CONTINUATION, load_vocabulary
from electra_cli.inputs.masking import rows_to_features
from electra_cli.sources.exportable import Exportable

_ROWS = 3


@dataclass(frozen=True)
class Probe:
    """Rows for a comparison: ids, input_mask and segment_ids, each [B, S] int32."""

    ids: npt.NDArray[np.int32]
    mask: npt.NDArray[np.int32]
    segments: npt.NDArray[np.int32]

    def features(self) -> dict[str, tf.Tensor]:
        """What `ElectraModel` and `TaskModel` take, every position to be predicted or labelled."""
        every = tf.tile(tf.range(self.ids.shape[1])[None], [len(self.ids), 1])  # [B, S]
        ids = tf.constant(self.ids)
        return {
            "input_ids": ids,
            "masked_input_ids": ids,
            "input_mask": tf.constant(self.mask),
            "segment_ids": tf.constant(self.segments),
            "masked_lm_positions": every,
            "labeled_positions": every,
        }


def make_probe(item: Exportable) -> Probe:
    """Rows of random ids for a comparison, with two segments and padding."""
    ids = item.special_ids
    length = item.length
    rows = np.random.default_rng(0).integers(item.config.model.vocab_size, size=(_ROWS, length))
    reserved = [ids.pad, ids.cls, ids.sep]
    ordinary = ids.mask if ids.unk is None else ids.unk
    rows[np.isin(rows, reserved)] = ordinary
    real = length - length // 4
    rows[:, 0] = ids.cls
    rows[:, [real // 2, real - 1]] = ids.sep
    rows[:, real:] = ids.pad
    features = rows_to_features(tf.constant(rows, tf.int32), ids.sep, ids.pad)
    return Probe(*(features[key].numpy() for key in ("input_ids", "input_mask", "segment_ids")))


def make_texts(item: Exportable, vocab: Path) -> list[str]:
    """An empty text, a short one and one that has to be cut."""
    words = [
        token for token in load_vocabulary(vocab) if not token.startswith((CONTINUATION, "["))
    ] or ["a"]
    length = item.length
    return [" ".join(words[index % len(words)] for index in range(n)) for n in (0, 5, length)]
