"""A checkpoint of the reference in the layout that `numpy_forward` reads, by renaming alone.

It exists to check what was written, so it shares nothing with the map that names were written by
(interop/reference.py), but follows the rules by which PyTorch's names come from TensorFlow's.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

PREFIX = "model.ckpt"  # of the checkpoint in an exported folder

_HEADS = {
    "generator_predictions/output_bias": "generator_lm_head.bias",
    "discriminator_predictions/dense_1/kernel": "discriminator_predictions.dense_prediction.weight",
    "discriminator_predictions/dense_1/bias": "discriminator_predictions.dense_prediction.bias",
}
_OF_THE_OTHER = {
    "discriminator": ("generator/", "generator_predictions/"),
    "generator": ("electra/encoder/", "electra/embeddings_project/", "discriminator_predictions/"),
}
_LAST = {"kernel": "weight", "gamma": "weight", "beta": "bias"}


def tensors_of(
    arrays: Mapping[str, npt.NDArray[np.float32]], network: str
) -> dict[str, npt.NDArray[np.float32]]:
    """The tensors of one network under Hugging Face's names; a kernel is transposed there.

    Args:
      arrays: All variables of the checkpoint by name.
      network: discriminator or generator; both use the embeddings of the first.
    """
    tensors = {}
    for name, array in arrays.items():
        if name == "global_step" or name.startswith(_OF_THE_OTHER[network]):
            continue
        tensors[_renamed(name)] = array.T if name.endswith("/kernel") else array
    return tensors


def _renamed(name: str) -> str:
    if name in _HEADS:
        return _HEADS[name]
    *scopes, last = name.replace("generator/", "electra/").replace("layer_", "layer/").split("/")
    if last.endswith("_embeddings"):
        return ".".join([*scopes, last, "weight"])
    return ".".join([*scopes, _LAST.get(last, last)])
