"""One way from a tokenizer's file to what makes ids of texts.

Everything behind this line asks the tokenizer: nothing else knows what `##`, `▁` or `Ġ` means.

Shapes: T tokens of a text, V vocabulary.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from electra_cli.corpus.wordpiece.identity import Kind, TokenizerOptions
from electra_cli.corpus.wordpiece.pieces import Ids, Pieces
from electra_cli.corpus.wordpiece.vocabulary import SpecialIds, load_vocabulary
from electra_cli.corpus.wordpiece.wordpiece_tokenizer import WordPieceTokenizer


class TextIds(Protocol):
    """What makes ids of texts; special tokens are not added.

    Attributes:
      tokens: The tokens in the order of their ids, as its file has them.
      special: Ids of the special tokens.
      kind: How it makes tokens of words: wordpiece, bpe or unigram.
      begins_word: Which tokens begin a word instead of continuing one; special tokens, but for the
        unknown one, do neither; [V].
      texts: What each token stands for where it is shown, `##` before what continues a word, and
        special ones as [CLS]; V.
      file: What its file is called in the folders that keep it.
      content: The bytes of that file.
    """

    @property
    def tokens(self) -> tuple[str, ...]: ...  # noqa: D102

    @property
    def special(self) -> SpecialIds: ...  # noqa: D102

    @property
    def kind(self) -> Kind: ...  # noqa: D102

    @property
    def begins_word(self) -> npt.NDArray[np.bool_]: ...  # noqa: D102

    @property
    def texts(self) -> Sequence[str]: ...  # noqa: D102

    @property
    def file(self) -> str: ...  # noqa: D102

    @property
    def content(self) -> bytes: ...  # noqa: D102

    def ids(self, texts: Sequence[str]) -> Iterable[Ids]:
        """The ids of each text in turn, [T]."""

    def ids_of_words(self, sentences: Sequence[Sequence[str]]) -> Iterable[list[Ids]]:
        """The ids of each word of each sentence in turn, as they are within the sentence."""

    def pieces(self, text: str) -> Pieces:
        """The ids of a text, and the characters that each stands for, white space left out."""

    def text_of(self, ids: Sequence[int]) -> str:
        """The tokens of some ids as a person reads them, special ones too."""


def content_sha256(tokenizer: TextIds) -> str:
    """The hash of its file, which is `vocab.sha256` of a manifest."""
    return hashlib.sha256(tokenizer.content).hexdigest()


def continues_word(tokenizer: TextIds) -> npt.NDArray[np.bool_]:
    """Which tokens continue a word; special ones do not, [V]."""
    continues = ~tokenizer.begins_word  # [V]
    continues[[*tokenizer.special.model_dump(exclude_none=True).values()]] = False
    return continues


def open_tokenizer(
    vocab_path: Path,
    options: TokenizerOptions | None,
    *,
    special: SpecialIds | None = None,
    rows: int = 0,
    may_be_bare: bool = False,
) -> TextIds:
    """Opens a tokenizer.

    Args:
      vocab_path: A `vocab.txt`, or a `tokenizer.json` for the library.
      options: What is done to case and accents; None of a `tokenizer.json`, which says it itself.
      special: Ids of the special tokens of a `tokenizer.json`; None to look for them.
      rows: Of the word table, which may have more than there are tokens; 0 for what is known.
      may_be_bare: Whether a vocab.txt may hold its special tokens alone.

    Raises:
      InputMissingError: It is not there or cannot be opened.
      DataError: It is damaged, or lacks a special token.
    """
    if options is None:
        from electra_cli.corpus.subword.library import LibraryTokenizer

        return LibraryTokenizer(vocab_path, special=special, rows=rows)
    return WordPieceTokenizer(load_vocabulary(vocab_path, may_be_bare=may_be_bare), options)
