"""Words of a text as arrays, and a hash table for all of them at once.

A word of up to 15 bytes is known by two integers of 64 bits, which hold it and its length. Longer
ones have to be looked up otherwise. White-space words of Chinese and Japanese are whole sentences,
hardly any of which comes twice, so words are cut around ideographs first.

Shapes: W words of a text, P parts of them, C parts that continue a white-space word.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

LONGEST_WORD = 15

_Words = npt.NDArray[np.int64]
_Keys = npt.NDArray[np.uint64]

_MASKS = np.array([2 ** (8 * size) - 1 for size in range(9)], np.uint64)
# Odd numbers with irregular bits: 2^64 over the golden ratio, and a constant of SplitMix64.
_MIX_1 = np.uint64(0x9E3779B97F4A7C15)
_MIX_2 = np.uint64(0xBF58476D1CE4E5B9)
_SPACE, _LINE_END = b" \n"
PADDING = b"\n" * 16

# The first two of the three bytes of U+4E00 to U+9FBF, all of them ideographs that are assigned in
# every version of Unicode that Python comes with. No other character begins with any of these.
_FIRST_IDEOGRAPH, _LAST_IDEOGRAPH = 0xE4B8, 0xE9BE
_IDEOGRAPH_BYTES = 3

_Octets = npt.NDArray[np.uint8]


def find_words(octets: _Octets) -> tuple[_Words, _Words]:
    """Where white-space words begin, and behind which byte they end.

    Args:
      octets: Text in UTF-8 whose words are separated by spaces and line ends. Its first and last
        byte separate too, whatever they are.

    Returns:
      Both [W].
    """
    separates = _separates(octets)
    separates[0] = separates[-1] = True
    edges = np.flatnonzero(separates[1:] != separates[:-1]) + 1  # [2 W]
    return edges[0::2], edges[1::2]  # [W], [W]


def find_parts(octets: _Octets, *, cuts: bool = True) -> tuple[_Words, _Words, _Words]:
    """Where the parts of white-space words begin and end that may be worked on by themselves.

    Words are cut before and behind every common ideograph. That is a word of its own before case
    and accents are looked at, so the words that `WordSplitter` makes of the parts of a white-space
    word are those that it makes of the whole. Counting words for a vocabulary may use the parts as
    well; only what counts white-space words has to leave out those that continue one.

    Args:
      octets: As for `find_words`; if the first byte is no white space, the first part continues a
        word.
      cuts: Whether words are cut at all.

    Returns:
      Begins [P], ends [P], and the begins of parts that continue a white-space word [C].
    """
    begins, ends = find_words(octets)  # [W], [W]
    continuing = find_cuts(octets) if cuts else np.empty(0, np.int64)  # [C]
    if len(continuing):
        begins = np.sort(np.concatenate((begins, continuing)))  # [P]
        ends = np.sort(np.concatenate((ends, continuing)))  # [P]
    if not _separates(octets[:1])[0]:
        continuing = np.concatenate(([1], continuing))
    return begins, ends, continuing


def find_cuts(octets: _Octets) -> _Words:
    """The bytes of a text in UTF-8 before which words are cut, none of them beside white space.

    They lie between the second byte and the last.
    """
    if octets.max(initial=0) < _FIRST_IDEOGRAPH >> 8:
        return np.empty(0, np.int64)
    pairs = octets[:-1].astype(np.uint16) << 8 | octets[1:]
    ideographs = np.flatnonzero((pairs >= _FIRST_IDEOGRAPH) & (pairs <= _LAST_IDEOGRAPH))
    cut = np.zeros(len(octets) + _IDEOGRAPH_BYTES, np.bool_)
    cut[ideographs] = cut[ideographs + _IDEOGRAPH_BYTES] = True
    places = np.flatnonzero(cut[2 : len(octets) - 1]) + 2
    return places[~(_separates(octets[places - 1]) | _separates(octets[places]))]  # [C]


def _separates(octets: _Octets) -> npt.NDArray[np.bool_]:
    return (octets == _SPACE) | (octets == _LINE_END)


def word_keys(text: bytes, begins: _Words, lengths: _Words) -> tuple[_Keys, _Keys]:
    """The two integers of each word; those of words over `LONGEST_WORD` bytes say nothing.

    Args:
      text: The text in UTF-8, with `PADDING` behind it.
      begins: First byte of each word, [W].
      lengths: Bytes, [W].

    Returns:
      The first eight bytes of each word, and the next seven with its length; both [W].
    """
    # The eight bytes that begin at each byte of the text.
    eights = np.ndarray((len(text) - 7,), "<u8", text, strides=(1,))
    heads = eights[begins] & _MASKS[np.minimum(lengths, 8)]  # [W]
    tails = lengths.astype(np.uint64) << np.uint64(56)
    (longer,) = np.nonzero((lengths > 8) & (lengths <= LONGEST_WORD))
    tails[longer] |= eights[begins[longer] + 8] & _MASKS[lengths[longer] - 8]
    return heads, tails


class WordCache:
    """Keeps a number for each of many words, and forgets some when it gets full.

    Args:
      slot_bits: Binary logarithm of the number of slots; 2^20 are 24 MB. A word may lie in two of
        them; when both are taken, the second is given up.
    """

    def __init__(self, slot_bits: int = 20) -> None:
        self._slots = 2**slot_bits
        self._shift = np.uint64(64 - slot_bits)
        self.clear()

    def clear(self) -> None:
        """Forgets all words."""
        self._heads = np.zeros(self._slots, np.uint64)
        self._tails = np.zeros(self._slots, np.uint64)  # 0 is free: no word has length 0
        self._values = np.zeros(self._slots, np.int64)

    def find(self, heads: _Keys, tails: _Keys) -> tuple[_Words, npt.NDArray[np.bool_]]:
        """The number of each word, and whether it is known at all; both [W]."""
        slots = self._slots_of(heads, tails)
        known = (self._heads[slots] == heads) & (self._tails[slots] == tails)
        others = np.flatnonzero(~known)
        slots[others] ^= 1
        second = slots[others]
        known[others] = (self._heads[second] == heads[others]) & (
            self._tails[second] == tails[others]
        )
        return self._values[slots], known

    def add(self, heads: _Keys, tails: _Keys, values: _Words) -> None:
        """Keeps a number for each of these words; of two with the same slot only the last."""
        slots = self._slots_of(heads, tails)
        slots[self._tails[slots] != 0] ^= 1
        self._heads[slots] = heads
        self._tails[slots] = tails
        self._values[slots] = values

    def _slots_of(self, heads: _Keys, tails: _Keys) -> _Words:
        mixed = ((heads * _MIX_2) ^ tails) * _MIX_1
        return (mixed >> self._shift).astype(np.int64)
