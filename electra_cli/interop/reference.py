"""The variables of google-research/electra in its TF1 checkpoints, and ours.

Our names are the reference's, except that query, key and value are one variable here: its last
axis is those of `self/query`, `self/key` and `self/value`, one after the other.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np
import numpy.typing as npt

Arrays = dict[str, npt.NDArray[np.float32]]

WORDS = "electra/embeddings/word_embeddings"

_FUSED = "/self/qkv/"
_APART = ("/self/query/", "/self/key/", "/self/value/")


def is_slot(name: str, names: Collection[str]) -> bool:
    """True for what an optimizer keeps of a variable, which TF1 names VARIABLE/SLOT.

    Args:
      name: A name in a checkpoint.
      names: All names there.
    """
    scope = name.rpartition("/")[0]
    return bool(scope) and (scope in names or is_slot(scope, names))


def to_reference(arrays: Mapping[str, npt.NDArray[np.float32]]) -> Arrays:
    """Weights under our names -> weights under the reference's."""
    found: Arrays = {}
    for name, array in arrays.items():
        if _FUSED not in name:
            found[name] = array
            continue
        for apart, third in zip(_APART, np.split(array, 3, axis=-1), strict=True):
            found[name.replace(_FUSED, apart)] = third
    return found


def from_reference(arrays: Mapping[str, npt.NDArray[np.float32]]) -> Arrays:
    """Weights under the reference's names -> weights under ours.

    A query, key or value without the other two keeps its name, which none of ours has.

    Raises:
      ValueError: Query, key and value of a layer cannot be joined.
    """
    found = dict(arrays)
    for name in arrays:
        if _APART[0] not in name:
            continue
        names = [name.replace(_APART[0], apart) for apart in _APART]
        thirds = [arrays[third] for third in names if third in arrays]
        if len(thirds) == 3:
            found[name.replace(_APART[0], _FUSED)] = np.concatenate(thirds, axis=-1)
            for third in names:
                del found[third]
    return found
