"""The reference's tokenizer.

The ids are those of google-research/electra, model/tokenization.py, lower-casing and stripping of
accents apart from each other. Two things differ from what the `tokenizers` library does when left
alone: words up to 200 characters are split (not 100), and a capital sigma that ends a word becomes
the final form, as Python's `str.lower` has it. The library's character tables are not of the same
age as Python's: some hundred punctuation marks and symbols of newer Unicode versions are classed
differently, none of which a vocabulary is likely to hold.
"""

from __future__ import annotations

import re
import sys
import unicodedata
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Literal

import numpy as np
from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers

from electra_cli.corpus.vocabulary import CONTINUATION, UNK, load_vocabulary

MAX_CHARACTERS_PER_WORD = 200

# `str.split` splits at these, the reference removes them and so joins what they separate.
_REMOVED_SEPARATORS = re.compile("[\x0b\x0c\x1c-\x1f\x85]")

# Words of these characters alone, which are most, need no library: all that its normalizer does to
# them is to lower letters, and all that is split off is punctuation.
_PLAIN = "!-~\u2013\u2014\u2018\u2019\u201c\u201d\u2026"
_NOT_PLAIN = re.compile(f"[^{_PLAIN}]")
_PLAIN_PIECES = re.compile(f"[A-Za-z0-9]+|[{_PLAIN}]")

# A capital sigma ends a word if a letter with case precedes it and none follows. What has no case,
# as an apostrophe, an accent or a soft hyphen, is looked past, and so is what is removed.
# The bound keeps long words without any such letter fast.
_BETWEEN = r"[\p{Case_Ignorable}\x{FFFD}[\p{C}&&[^\t\n\r]]]"
_CASED = r"[\p{Cased}&&[^\p{Case_Ignorable}]]"
_FINAL_SIGMA = rf"Σ(?<={_CASED}{_BETWEEN}{{0,200}}Σ)(?!{_BETWEEN}*{_CASED})"

# Of longer words only the library tells whether one is too long to be split.
_LONGEST_PLAIN_WORD = 64


# The library takes some hundred times the memory of a word, so long ones are cut beside characters
# that are pieces of their own. Chinese characters are, and what it takes for punctuation.
_LONGEST_AT_ONCE = 2**14
_CHINESE = (
    "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
    "\U00020000-\U0002a6df\U0002a700-\U0002b81f\U0002b920-\U0002ceaf\U0002f800-\U0002fa1f"
)


@cache
def _parts_pattern() -> re.Pattern[str]:
    """Parts of a long word: as many pieces as may be encoded at once, or one that is too long."""
    split = pre_tokenizers.BertPreTokenizer().pre_tokenize_str
    decomposed = normalizers.NFD().normalize_str
    punctuation = [
        character
        for character in map(chr, range(sys.maxunicode + 1))
        if unicodedata.category(character)[0] in "PS"
        and all(
            [piece for piece, _ in split(f"a{text}a")] == ["a", *text, "a"]
            for text in {character, decomposed(character)}
        )
    ]
    cuts = re.escape("".join(punctuation)) + _CHINESE
    return re.compile(f".{{1,{_LONGEST_AT_ONCE}}}(?=[{cuts}]|\\Z)|[{cuts}]|[^{cuts}]+", re.DOTALL)


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
    return normalizers.Sequence([normalizers.Replace(Regex(_FINAL_SIGMA), "ς"), bert])


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


class WordEncoder:
    """Encodes one white-space word, with the library's ids in a fraction of its time.

    Args:
      tokenizer: What `build_tokenizer` returns.
      dtype: Type of an id.
    """

    def __init__(self, tokenizer: Tokenizer, dtype: Literal["uint16", "uint32"]) -> None:
        self._tokenizer = tokenizer
        self._normalized = tokenizer.normalizer.normalize_str
        self._lowercase = self._normalized("A") == "a"
        self._dtype = np.dtype(dtype).newbyteorder("<")
        ids = {
            token: np.array(id_, self._dtype).tobytes()
            for token, id_ in tokenizer.get_vocab().items()
        }
        self._unk = ids[UNK]
        begin = len(CONTINUATION)
        self._beginnings = {t: i for t, i in ids.items() if not t.startswith(CONTINUATION)}
        self._continuations = {t[begin:]: i for t, i in ids.items() if t.startswith(CONTINUATION)}
        self._longest = max(map(len, ids))

    def encode(self, word: str) -> bytes:
        """Returns the ids of a word, little-endian."""
        if len(word) > MAX_CHARACTERS_PER_WORD and word.isascii() and word.isalnum():
            return self._unk  # the library would need a hundred times the word's memory to say so
        if len(word) > _LONGEST_AT_ONCE:
            kept = {c: len(self._normalized(c)) for c in set(word)}
            word = word.translate({ord(c): None for c, length in kept.items() if not length})
            if self._lowercase and "Σ" in word:
                word = _with_final_sigmas(word)
            return b"".join(map(self._encode_part, _parts_pattern().findall(word)))
        if len(word) > _LONGEST_PLAIN_WORD or _NOT_PLAIN.search(word):
            return self._encode_part(word)
        pieces = _PLAIN_PIECES.findall(word.lower() if self._lowercase else word)
        whole = self._beginnings.get
        return b"".join([whole(piece) or self._word_pieces(piece) for piece in pieces])

    def _encode_part(self, text: str) -> bytes:
        if len(text) > _LONGEST_AT_ONCE and self._is_too_long(text):
            return self._unk
        ids = self._tokenizer.encode(text, add_special_tokens=False).ids
        return np.array(ids, self._dtype).tobytes()

    def _is_too_long(self, text: str) -> bool:
        """Whether text is certainly one word that is too long to be split."""
        length = 0
        for character, count in Counter(text).items():
            normalized = self._normalized(character)
            pieces = self._tokenizer.pre_tokenizer.pre_tokenize_str(f"a{normalized}a")
            if len(pieces) > 1:
                return False
            length += len(normalized) * count
        return length > MAX_CHARACTERS_PER_WORD

    def _word_pieces(self, word: str) -> bytes:
        """The longest token that begins the word, then the longest that continues it, and so on."""
        ids, start, tokens = b"", 0, self._beginnings
        length = len(word)
        while start < length:
            end = min(length, start + self._longest)
            while (found := tokens.get(word[start:end])) is None:
                end -= 1
                if end == start:
                    return self._unk
            ids, start, tokens = ids + found, end, self._continuations
        return ids


def _with_final_sigmas(word: str) -> str:
    """Lowers capital sigmas, which look at what surrounds them."""
    lowered = word.replace("İ", "I").lower()  # all others stay one character
    return "".join([low if c == "Σ" else c for c, low in zip(word, lowered, strict=True)])
