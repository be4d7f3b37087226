"""The variables of Model Garden's BertEncoder and BertEncoderV2 under the reference's names.

Both give their layers the same names, so the full names of variables fit both; their checkpoints'
keys do not. Query, key and value are [D, H, K] there (H heads of size K, D = H·K), the output of
attention is [H, K, D]; here all are [D, D].
"""

from __future__ import annotations

import re

import numpy as np
import numpy.typing as npt

_LAYER, _OURS = r"transformer/layer_(\d+)/", r"electra/encoder/layer_\1/"
_NAMES = [
    (re.compile(rf"(?:^|/){theirs}$"), ours)
    for theirs, ours in (
        ("word_embeddings/embeddings", "electra/embeddings/word_embeddings"),
        ("position_embedding/embeddings", "electra/embeddings/position_embeddings"),
        ("type_embeddings/embeddings", "electra/embeddings/token_type_embeddings"),
        ("embeddings/layer_norm/(gamma|beta)", r"electra/embeddings/LayerNorm/\1"),
        ("embedding_projection/(kernel|bias)", r"electra/embeddings_project/\1"),
        (
            _LAYER + "self_attention/(query|key|value)/(kernel|bias)",
            _OURS + r"attention/self/\2/\3",
        ),
        (
            _LAYER + "self_attention/attention_output/(kernel|bias)",
            _OURS + r"attention/output/dense/\2",
        ),
        (
            _LAYER + "self_attention_layer_norm/(gamma|beta)",
            _OURS + r"attention/output/LayerNorm/\2",
        ),
        (_LAYER + "(intermediate|output)/(kernel|bias)", _OURS + r"\2/dense/\3"),
        (_LAYER + "output_layer_norm/(gamma|beta)", _OURS + r"output/LayerNorm/\2"),
    )
]


def reference_name(full_name: str) -> str | None:
    """The reference's name of a variable; None for one that ELECTRA does without (the pooler)."""
    for pattern, ours in _NAMES:
        if match := pattern.search(full_name):
            return match.expand(ours)
    return None


def without_heads(name: str, array: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Joins the axes of heads, [H, K] -> [D].

    Args:
      name: The reference's name of the variable.
      array: Its value.
    """
    if "/attention/self/" in name:
        leading = array.shape[:-2]
        return array.reshape(*leading, -1)  # [D, D] or [D]
    if name.endswith("/attention/output/dense/kernel"):
        return array.reshape(-1, array.shape[-1])  # [D, D]
    return array
