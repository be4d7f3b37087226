"""The order of examples as a pure function of (seed, step): nothing to save, nothing to skip.

Step t of a run takes the positions t·B … (t+1)·B-1 of an endless sequence that visits every
example once an epoch; where batches grow, those from `config.rules.batches.rows_before` of t on.
The permutation of each epoch is a keyed Feistel network over the index itself, so it costs no
memory and any position can be computed alone.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

_ROUNDS = 6
_EPOCH = np.uint64(0x9E3779B97F4A7C15)
_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)
_NUMBERS = np.arange(_ROUNDS, dtype=np.uint64)

Indices = npt.NDArray[np.int64]
_Words = npt.NDArray[np.uint64]


def _mix(value: _Words) -> _Words:
    """Finaliser of SplitMix64 (Steele et al. 2014): every input bit changes every output bit."""
    value = (value ^ (value >> np.uint64(30))) * _MIX_1
    value = (value ^ (value >> np.uint64(27))) * _MIX_2
    return value ^ (value >> np.uint64(31))


def _round_keys(epoch: int, seed: int) -> _Words:
    """The keys of one epoch's permutation, [_ROUNDS]."""
    seed_ = np.array([seed & (2**64 - 1)], np.uint64)
    return _mix(_mix(np.array([epoch], np.uint64) * _EPOCH + _mix(seed_)) + _NUMBERS)


def _permute(index: _Words, keys: _Words, bits: int) -> _Words:
    """A bijection on [0, 2**(2*bits)): a Feistel network."""
    mask = np.uint64((1 << bits) - 1)
    left, right = index >> np.uint64(bits), index & mask
    for key in keys:
        left, right = right, left ^ (_mix(right ^ key) & mask)
    return (left << np.uint64(bits)) | right


def examples_at(positions: Indices, *, examples: int, seed: int) -> Indices:
    """Which examples stand at the given positions of the endless training sequence.

    Args:
      positions: Positions, any shape, int64, at least 0.
      examples: Number of training examples.
      seed: The run's seed.

    Returns:
      Example indices in [0, examples), the shape of `positions`.
    """
    flat = np.asarray(positions, np.uint64).ravel()  # [N]
    epoch_of, index = flat // np.uint64(examples), flat % np.uint64(examples)
    bits = max(1, (max(examples - 1, 1).bit_length() + 1) // 2)
    with np.errstate(over="ignore"):
        for epoch in np.unique(epoch_of):
            keys = _round_keys(int(epoch), seed)
            # The network permutes a power of four; indices outside are sent through it again
            # until they fall inside, which keeps it a permutation ("cycle walking").
            ahead = np.flatnonzero(epoch_of == epoch)
            while ahead.size:
                index[ahead] = _permute(index[ahead], keys, bits)
                ahead = ahead[index[ahead] >= np.uint64(examples)]
    return index.astype(np.int64).reshape(np.shape(positions))
