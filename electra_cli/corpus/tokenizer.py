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
from itertools import chain
from pathlib import Path

from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers

from electra_cli.corpus.vocabulary import CONTINUATION, UNK, load_vocabulary

MAX_CHARACTERS_PER_WORD = 200

# `str.split` splits at these, the reference removes them and so joins what they separate.
_REMOVED_SEPARATORS = re.compile("[\x0b\x0c\x1c-\x1f\x85]")

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
    if _REMOVED_SEPARATORS.search(text):
        text = _REMOVED_SEPARATORS.sub("", text)
    return text.split()


class LineEncoder:
    """Encodes lines through a bounded cache from word to ids.

    The reference's tokenizer looks at nothing beyond a white-space word, so the ids are the same.

    Args:
      tokenizer: What `build_tokenizer` returns.
    """

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._ids_of = _WordCache(tokenizer).__getitem__

    def encode(self, line: str) -> tuple[list[int], int]:
        """Returns the ids of a line, and its number of white-space words."""
        words = split_words(line)
        return list(chain.from_iterable(map(self._ids_of, words))), len(words)


class _WordCache(dict[str, list[int]]):
    def __init__(self, tokenizer: Tokenizer) -> None:
        super().__init__()
        self._encode = tokenizer.encode

    def __missing__(self, word: str) -> list[int]:
        ids = self._encode(word, add_special_tokens=False).ids
        if len(word) <= _CACHED_WORD_LENGTH:
            if len(self) >= _CACHED_WORDS:
                self.clear()
            self[word] = ids
        return ids
