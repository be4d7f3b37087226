"""ELECTRA's forward pass in NumPy, over tensors in Hugging Face's layout.

It exists to check what was written: it knows neither TensorFlow nor the name map that the tensors
were written with. It follows transformers, models/electra/modeling_electra.py, dropout off.

Shapes: B batch, S sequence, E embedding, D hidden, H heads, K head size (D = H·K), V vocabulary,
C classes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int32]

# Abramowitz and Stegun, Handbook of Mathematical Functions, 7.1.26: |error| <= 1.5e-7.
_ERF_SCALE = 0.3275911
_ERF_COEFFICIENTS = (1.061405429, -1.453152027, 1.421413741, -0.284496736, 0.254829592)


class NumpyElectra:
    """One network with its head.

    Args:
      config: The content of config.json.
      tensors: The content of model.safetensors.
    """

    def __init__(self, config: Mapping[str, Any], tensors: Mapping[str, Floats]) -> None:
        self._config = config
        self._tensors = tensors
        self._read: set[str] = set()

    def outputs(self, ids: Ints, mask: Ints, segments: Ints) -> dict[str, Floats]:
        """What the model of config.json says of [B, S] ids, input mask and segment ids.

        Returns:
          Its outputs as transformers calls them: start_logits and end_logits [B, S] of questions,
          logits of all others: [B, S] of a discriminator (positive: replaced), [B, S, V] of a
          generator, [B, C] of texts, [B, S, C] of tagging. And sequence_output [B, S, D], what the
          head is given.

        Raises:
          KeyError: A tensor is missing.
          ValueError: There are tensors that this network does not have.
        """
        heads = {
            "ElectraForPreTraining": self._discriminate,
            "ElectraForMaskedLM": self._fill,
            "ElectraForSequenceClassification": self._classify,
            "ElectraForTokenClassification": self._tag,
            "ElectraForQuestionAnswering": self._answer,
        }
        hidden = self._encode(ids, mask, segments)  # [B, S, D]
        outputs = heads[self._config["architectures"][0]](hidden)
        if unread := sorted(set(self._tensors) - self._read):
            raise ValueError(f"tensors that belong to nothing: {', '.join(unread)}")
        return {**outputs, "sequence_output": hidden}

    def _discriminate(self, hidden: Floats) -> dict[str, Floats]:
        hidden = _gelu(self._dense(hidden, "discriminator_predictions.dense"))
        logits = self._dense(hidden, "discriminator_predictions.dense_prediction")  # [B, S, 1]
        return {"logits": logits[:, :, 0]}

    def _fill(self, hidden: Floats) -> dict[str, Floats]:
        hidden = _gelu(self._dense(hidden, "generator_predictions.dense"))  # [B, S, E]
        hidden = self._norm(hidden, "generator_predictions.LayerNorm")
        words = self._get("electra.embeddings.word_embeddings.weight")  # [V, E]
        return {"logits": hidden @ words.T + self._get("generator_lm_head.bias")}  # [B, S, V]

    def _classify(self, hidden: Floats) -> dict[str, Floats]:
        inner = _gelu(self._dense(hidden[:, 0], "classifier.dense"))  # [B, D]
        return {"logits": self._dense(inner, "classifier.out_proj")}  # [B, C]

    def _tag(self, hidden: Floats) -> dict[str, Floats]:
        return {"logits": self._dense(hidden, "classifier")}  # [B, S, C]

    def _answer(self, hidden: Floats) -> dict[str, Floats]:
        logits = self._dense(hidden, "qa_outputs")  # [B, S, 2]
        return {"start_logits": logits[:, :, 0], "end_logits": logits[:, :, 1]}

    def _encode(self, ids: Ints, mask: Ints, segments: Ints) -> Floats:
        config, scope = self._config, "electra.embeddings"
        values = (
            self._get(f"{scope}.word_embeddings.weight")[ids]
            + self._get(f"{scope}.token_type_embeddings.weight")[segments]
            + self._get(f"{scope}.position_embeddings.weight")[: ids.shape[1]]
        )  # [B, S, E]
        values = self._norm(values, f"{scope}.LayerNorm")
        if config["embedding_size"] != config["hidden_size"]:
            values = self._dense(values, "electra.embeddings_project")  # [B, S, D]
        hidden_keys = np.where(mask == 0, np.finfo(np.float32).min, np.float32(0))  # [B, S]
        for index in range(config["num_hidden_layers"]):
            layer = f"electra.encoder.layer.{index}"
            context = self._attend(values, hidden_keys[:, None, None, :], f"{layer}.attention.self")
            attended = self._dense(context, f"{layer}.attention.output.dense")
            values = self._norm(values + attended, f"{layer}.attention.output.LayerNorm")
            widened = _gelu(self._dense(values, f"{layer}.intermediate.dense"))
            narrowed = self._dense(widened, f"{layer}.output.dense")
            values = self._norm(values + narrowed, f"{layer}.output.LayerNorm")
        return values

    def _attend(self, values: Floats, scores_mask: Floats, scope: str) -> Floats:
        batch, length, hidden = values.shape
        heads = self._config["num_attention_heads"]
        query, key, value = (
            self._dense(values, f"{scope}.{part}")
            .reshape(batch, length, heads, hidden // heads)
            .transpose(0, 2, 1, 3)  # [B, H, S, K]
            for part in ("query", "key", "value")
        )
        scale = np.float32((hidden // heads) ** -0.5)
        scores = query @ key.transpose(0, 1, 3, 2) * scale + scores_mask  # [B, H, S, S]
        weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
        weights /= weights.sum(axis=-1, keepdims=True)
        return (weights @ value).transpose(0, 2, 1, 3).reshape(batch, length, hidden)  # [B, S, D]

    def _dense(self, values: Floats, scope: str) -> Floats:
        return values @ self._get(f"{scope}.weight").T + self._get(f"{scope}.bias")

    def _norm(self, values: Floats, scope: str) -> Floats:
        centred = values - values.mean(axis=-1, keepdims=True)
        variance = np.square(centred).mean(axis=-1, keepdims=True)
        normal = centred / np.sqrt(variance + np.float32(self._config["layer_norm_eps"]))
        return normal * self._get(f"{scope}.weight") + self._get(f"{scope}.bias")

    def _get(self, name: str) -> Floats:
        self._read.add(name)
        return self._tensors[name]


def _gelu(values: Floats) -> Floats:
    """GELU with the error function."""
    argument = values * np.float32(0.5**0.5)
    inverse = np.float32(1) / (np.float32(1) + np.float32(_ERF_SCALE) * np.abs(argument))
    polynomial = np.zeros_like(inverse)
    for coefficient in _ERF_COEFFICIENTS:
        polynomial = (polynomial + np.float32(coefficient)) * inverse
    erf = np.sign(argument) * (1 - polynomial * np.exp(-argument * argument))
    return np.float32(0.5) * values * (1 + erf)
