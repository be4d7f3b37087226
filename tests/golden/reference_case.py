"""Reads a recorded case of the reference implementation and says it in our words."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from electra_cli.config.schema import Config

# hparams of the reference that a case may override, and the key each of them is with us.
_HPARAMS = {
    "generator_hidden_size": "generator.size",
    "mask_prob": "objective.mask_probability",
    "disc_weight": "objective.disc_weight",
    "gen_weight": "objective.generator_weight",
    "vocab_size": "model.vocab_size",
    "max_seq_length": "data.sequence_length",
    "train_batch_size": "train.batch_size",
}
_DESCRIBED_ELSEWHERE = {"model_size", "model_hparam_overrides", "embedding_size"}


class ReferenceCase:
    """One folder of recorded values.

    Args:
      folder: Holds config.json, golden.npz and reference.ckpt.
    """

    def __init__(self, folder: Path) -> None:
        self.recorded = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        self.values = np.load(folder / "golden.npz", allow_pickle=False)
        self.reader = tf.train.load_checkpoint(str(folder / "reference.ckpt"))
        self.config = self._config()

    def _config(self) -> Config:
        sizes, optimizer = self.recorded["discriminator"], self.recorded["optimizer"]
        values: dict[str, Any] = {
            "model.hidden_size": sizes["hidden_size"],
            "model.num_layers": sizes["num_hidden_layers"],
            "model.num_attention_heads": sizes["num_attention_heads"],
            "model.intermediate_size": sizes["intermediate_size"],
            "model.max_position_embeddings": sizes["max_position_embeddings"],
            "model.embedding_size": self.recorded["embedding_size"],
            "model.hidden_dropout": 0.0,
            "model.attention_dropout": 0.0,
            "optimizer.learning_rate": optimizer["learning_rate"],
            "optimizer.warmup_steps": optimizer["num_warmup_steps"],
            "train.steps": optimizer["num_train_steps"],
        }
        for name, value in self.recorded["hparams"].items():
            if name not in _DESCRIBED_ELSEWHERE:
                values[_HPARAMS[name]] = value  # an override nobody knows is a KeyError
        return Config().replaced(values)

    def inputs(self, step: int) -> dict[str, tf.Tensor]:
        """The batch of a step with its frozen masks and samples."""
        prefix = f"step{step}/in/"
        names = [name for name in self.values.files if name.startswith(prefix)]
        return {name.removeprefix(prefix): tf.constant(self.values[name]) for name in names}

    def output(self, step: int, name: str) -> np.ndarray:
        """A recorded output of a step."""
        return self.values[f"step{step}/out/{name}"]


def reference_arrays(name: str, read: Callable[[str], np.ndarray]) -> np.ndarray:
    """The values of one of our variables, from the reference's variables.

    Our names are the reference's, but for query, key and value, which are one variable here.
    """
    name = name.split(":")[0]
    if "/self/qkv/" in name:
        parts = [read(name.replace("qkv", part)) for part in ("query", "key", "value")]
        return np.concatenate(parts, axis=-1)
    return read(name)
