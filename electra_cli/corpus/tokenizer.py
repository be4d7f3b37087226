"""The reference's tokenizer, and a cache that makes it fast.

The ids are those of google-research/electra, model/tokenization.py, lower-casing and stripping of
accents apart from each other. Two things differ from what the `tokenizers` library does when left
alone: words up to 200 characters are split (not 100), and a capital sigma that ends a word becomes
the final form, as Python's `str.lower` has it. The library's character tables are older than
Python's: some hundred punctuation marks and symbols of newer Unicode versions are classed
differently, none of which a vocabulary is likely to hold.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers

from electra_cli.corpus.vocabulary import CONTINUATION, UNK, load_vocabulary

MAX_CHARACTERS_PER_WORD = 200

# `str.split` splits at these, the reference removes them and so joins what they separate.
_REMOVED_SEPARATORS = re.compile("[\x0b\x0c\x1c-\x1f\x85]")

_ASCII_PIECES = re.compile("[A-Za-z0-9]+|[!-/:-@\\[-`{-~]")

# About 60 MB when full; words longer than the limit are rare and not worth keeping.
_CACHED_WORDS = 2**18
_CACHED_WORD_LENGTH = 64


def build_normalizer(*, lowercase: bool, strip_accents: bool) -> normalizers.Normalizer:
    """The reference's cleaning: control characters, spaces, CJK spacing, case and accents."""
    bert = normalizers.BertNormalizer(
        clean_text=True,
        handle_chinese_chars=True,
        strip_accents=strip_accents,
        lowercase=lowercase,
    )
    if not lowercase:
        return bert
    letter = r"[\p{L}\p{M}]"
    final_sigma = normalizers.Replace(Regex(f"(?<={letter})Σ(?!{letter})"), "ς")
    return normalizers.Sequence([final_sigma, bert])


def build_tokenizer(vocab_path: Path, *, lowercase: bool, strip_accents: bool) -> Tokenizer:
    """Builds the tokenizer of a vocabulary.

    It adds no special tokens, and a literal `[MASK]` in text is ordinary characters.

    Args:
      vocab_path: One word piece a line.
      lowercase: Lower-case the text.
      strip_accents: Remove accents, also where case is kept.

    Raises:
      DataError: The vocabulary is not usable.
      InputMissingError: It is not there.
    """
    ids = {token: index for index, token in enumerate(load_vocabulary(vocab_path))}
    tokenizer = Tokenizer(
        models.WordPiece(
            ids,
            unk_token=UNK,
            max_input_chars_per_word=MAX_CHARACTERS_PER_WORD,
            continuing_subword_prefix=CONTINUATION,
        )
    )
    tokenizer.normalizer = build_normalizer(lowercase=lowercase, strip_accents=strip_accents)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    return tokenizer


def split_words(text: str) -> list[str]:
    """Splits at white space exactly where the reference does; words are not yet normalised."""
    # What is printable holds no separator; asking is several times as fast as searching.
    if not text.isprintable() and _REMOVED_SEPARATORS.search(text):
        text = _REMOVED_SEPARATORS.sub("", text)
    return text.split()


class LineEncoder:
    """Encodes lines through a bounded cache from word to ids.

    The reference's tokenizer looks at nothing beyond a white-space word, so the ids are the same.
    Ids are kept as bytes: joining and cutting these is a copy of memory, and no number becomes a
    Python object.

    Args:
      tokenizer: What `build_tokenizer` returns.
      dtype: Type of an id.

    Attributes:
      itemsize: Bytes of an id.
    """

    def __init__(self, tokenizer: Tokenizer, dtype: Literal["uint16", "uint32"]) -> None:
        self._tokenizer = tokenizer
        self._split_word = tokenizer.model.tokenize
        self._lowercase = tokenizer.normalizer.normalize_str("A") == "a"
        self._ids_of: dict[str, bytes] = {}
        self._dtype = np.dtype(dtype).newbyteorder("<")
        self.itemsize = self._dtype.itemsize

    def encode(self, line: str) -> tuple[bytes, int]:
        """Returns the ids of a line, little-endian, and its number of white-space words."""
        words = split_words(line)
        found = list(map(self._ids_of.get, words))
        try:
            return b"".join(found), len(words)  # type: ignore[arg-type]
        except TypeError:  # one of them is None
            return b"".join(self._learn(words, found)), len(words)

    def encode_words(self, words: Sequence[str]) -> list[bytes]:
        """Returns the ids of each word."""
        return self._learn(words, [self._ids_of.get(word) for word in words])

    def _learn(self, words: Sequence[str], found: list[bytes | None]) -> list[bytes]:
        """Fills in the words that were not found, and keeps them unless they are very long."""
        known = self._ids_of
        if len(known) + len(words) > _CACHED_WORDS:
            known.clear()
        for place, ids in enumerate(found):
            if ids is None:
                word = words[place]
                found[place] = learned = known.get(word) or self._encode_word(word)
                if len(word) <= _CACHED_WORD_LENGTH:
                    known[word] = learned
        return found  # type: ignore[return-value]

    def _encode_word(self, word: str) -> bytes:
        if word.isascii() and word.isprintable():
            # Of these all that the normalizer does is to lower them, and all that is split off is
            # punctuation. It takes a third of the time of the whole tokenizer.
            text = word.lower() if self._lowercase else word
            tokens = [t for piece in _ASCII_PIECES.findall(text) for t in self._split_word(piece)]
            ids = [token.id for token in tokens]
        else:
            ids = self._tokenizer.encode(word, add_special_tokens=False).ids
        return np.array(ids, self._dtype).tobytes()
