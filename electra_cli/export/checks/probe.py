"""What exported models are compared on.

Shapes: B batch, S sequence.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from electra_cli.corpus.shards.manifest import load_manifest
from electra_cli.corpus.wordpiece.vocabulary import CONTINUATION, load_vocabulary
from electra_cli.errors import ElectraError
from electra_cli.export.sources.exportable import Exportable
from electra_cli.inputs.masking import rows_to_features
from electra_cli.inputs.rows import Share, validation_dataset
from electra_cli.inputs.store import lost_shards_named

_ROWS = 3


@dataclass(frozen=True)
class Probe:
    """Rows for a comparison: ids, input_mask and segment_ids, each [B, S] int32."""

    ids: npt.NDArray[np.int32]
    mask: npt.NDArray[np.int32]
    segments: npt.NDArray[np.int32]

    def features(self) -> dict[str, tf.Tensor]:
        """What `ElectraModel.discriminate` and `.generate` take, every position to be predicted."""
        length = self.ids.shape[1]
        return {
            "masked_input_ids": tf.constant(self.ids),
            "input_mask": tf.constant(self.mask),
            "segment_ids": tf.constant(self.segments),
            "masked_lm_positions": tf.tile(tf.range(length)[None], [len(self.ids), 1]),  # [B, S]
        }


def make_probe(item: Exportable) -> Probe:
    """Rows for a comparison: held-out ones if the data is still there, and random ids.

    The last row always has two segments and padding.
    """
    ids = item.special_ids
    length = item.config.data.sequence_length
    rows = np.random.default_rng(0).integers(item.config.model.vocab_size, size=(_ROWS, length))
    reserved = [ids.pad, ids.cls, ids.sep]
    rows[np.isin(rows, reserved)] = ids.unk
    real = length - length // 4
    rows[:, 0] = ids.cls
    rows[:, [real // 2, real - 1]] = ids.sep
    rows[:, real:] = ids.pad
    held_out = _held_out_rows(item)[: _ROWS - 1]
    rows[: len(held_out)] = held_out
    features = rows_to_features(tf.constant(rows, tf.int32), ids.sep)
    return Probe(*(features[key].numpy() for key in ("input_ids", "input_mask", "segment_ids")))


def _held_out_rows(item: Exportable) -> npt.NDArray[np.int32]:
    """[N, S], N is 0 if the run's data has gone or is no longer what the run was trained on."""
    none = np.zeros((0, item.config.data.sequence_length), np.int32)
    if item.manifest is None or item.config.data.path is None:
        return none
    try:
        manifest = load_manifest(Path(item.config.data.path))
    except ElectraError:
        return none
    if manifest.model_dump() != item.manifest.model_dump():
        return none
    with lost_shards_named(lambda: "while held-out rows were read"):
        batch = next(iter(validation_dataset(manifest, Share(_ROWS))))
    return batch["input_ids"].numpy()[batch["example_index"].numpy() >= 0]


def make_texts(item: Exportable, vocab: Path) -> list[str]:
    """An empty text, a short one and one that has to be cut."""
    words = [
        token for token in load_vocabulary(vocab) if not token.startswith((CONTINUATION, "["))
    ] or ["a"]
    length = item.config.data.sequence_length
    return [" ".join(words[index % len(words)] for index in range(n)) for n in (0, 5, length)]
