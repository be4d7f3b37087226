"""Tokenizers of the library `tokenizers`: any WordPiece, BPE or Unigram.

Ids are those that the library's own `encode` gives without special tokens, but for text that looks
like a special token: it is ordinary characters here.

Shapes: T tokens of a text, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from itertools import groupby, pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from tokenizers import Tokenizer, decoders

from electra_cli.corpus.subword.tokenizer_file import TokenizerFile
from electra_cli.corpus.wordpiece.identity import Kind
from electra_cli.corpus.wordpiece.pieces import Ids, Pieces
from electra_cli.corpus.wordpiece.vocabulary import CONTINUATION, SpecialIds
from electra_cli.corpus.wordpiece.vocabulary_folder import TOKENIZER_FILE
from electra_cli.errors import DataError

# Characters that are encoded together: the library takes some two hundred bytes for each.
_AT_ONCE = 2**17
# What stands for the space before a word in the pieces of SentencePiece and of byte-level BPE.
SPACES = ("▁", "Ġ")


class LibraryTokenizer:
    """Makes ids of texts; special tokens typed in a text are ordinary characters.

    Args:
      path: A `tokenizer.json`.
      special: See `TokenizerFile`.
      rows: See `TokenizerFile`.

    Attributes:
      path: The file.
      file: What it is called in the folders that keep it.
      content: Its bytes.
      tokens: The tokens in the order of their ids.
      special: Ids of the special tokens.
      slots: Ids without a token, which are called [unusedN].
      kind: How it makes tokens of words.
      keeps_space: Whether the space before a word is to stay with it where text is cut, so that
        the ids are those of the whole.

    Raises:
      InputMissingError: It cannot be opened.
      DataError: It is damaged, of another kind, or lacks a special token.
    """

    file = TOKENIZER_FILE

    def __init__(self, path: Path, *, special: SpecialIds | None = None, rows: int = 0) -> None:
        file = TokenizerFile(path, special=special, rows=rows)
        self.path, self.content = path, path.read_bytes()
        self.tokens, self.special = file.tokens, file.special
        self.kind: Kind = file.kind
        self.slots = file.slots
        self._tokenizer = _load(path, file.for_text())
        self._tokenizer.encode_special_tokens = True
        # Where the pre-tokenizer leaves words together, their pieces tell where they begin.
        together, first, bare, spaced = self.encoded(["a a", "a", "a", " a"])
        self._by_piece = self.kind != "wordpiece" and len(set(together.word_ids)) < 2
        self.keeps_space = together.ids != first.ids + bare.ids and (
            together.ids == first.ids + spaced.ids
        )

    def ids(self, texts: Sequence[str]) -> Iterator[Ids]:
        """The ids of each text in turn, [T]; many at once are fast."""
        for batch in batches(texts):
            for found in self.encoded(batch):
                yield np.array(found.ids, np.int32)  # [T]

    def word_starts(self, found: Any) -> npt.NDArray[np.bool_]:
        """Where words begin in a text as `encoded` gave it, [T].

        A word is what the pre-tokenizer takes apart from others. Where it takes nothing apart, as
        in files whose spaces become a part of the pieces, a piece with a space before it begins
        one. A table by id would not do: the same piece begins a word behind a bracket, and
        continues one behind letters.
        """
        starts = np.array([a != b for a, b in pairwise([-1, *found.word_ids])], np.bool_)
        return starts | self._at_space[found.ids] if self._by_piece else starts

    def ids_of_words(self, sentences: Sequence[Sequence[str]]) -> Iterator[list[Ids]]:
        """The ids of each word of each sentence in turn, as they are within the sentence.

        Words stand apart by a space. A token that reaches over two belongs to the first.
        """
        texts = [" ".join(words) for words in sentences]
        for words, text, found in zip(sentences, texts, self._all(texts), strict=True):
            ends = np.cumsum([len(word) + 1 for word in words])  # behind the space
            begins, _ = _trimmed(text, found.offsets)  # [T]
            ids = np.array(found.ids, np.int32)  # [T]
            places = np.searchsorted(ends, begins, side="right")  # [T]
            yield [ids[places == place] for place in range(len(words))]

    def pieces(self, text: str) -> Pieces:
        """The ids of a text, and the characters that each stands for, white space left out."""
        (found,) = self.encoded([text])
        begins, ends = _trimmed(text, found.offsets)  # [T] each
        return Pieces(np.array(found.ids, np.int32), begins, ends)

    @cached_property
    def begins_word(self) -> npt.NDArray[np.bool_]:
        """Which tokens usually begin a word; special tokens do not; [V].

        Only `word_starts` knows it of a token in its place.
        """
        begins = self._at_space.copy()  # [V]
        if self.kind == "wordpiece" or not begins.any():
            begins = np.array([not token.startswith(CONTINUATION) for token in self.tokens])
        special = self.special
        begins[[special.pad, special.cls, special.sep, special.mask]] = False
        return begins

    @cached_property
    def texts(self) -> Sequence[str]:
        """What each token stands for where it is shown, `##` before what continues a word; V.

        Special tokens are [CLS], [SEP] and so on, whatever they are called in the file.
        """
        roles = self.special.model_dump(exclude_none=True).items()
        special = {number: role for role, number in roles}
        found = []
        for number, token in enumerate(self.tokens):
            if number in special:
                found.append(f"[{special[number].upper()}]")
            elif self.kind == "wordpiece":
                found.append(token)
            else:
                text = _shown(token, self._decoded([number]))
                found.append(text if self.begins_word[number] else f"{CONTINUATION}{text}")
        return found

    def text_of(self, ids: Sequence[int]) -> str:
        """The tokens of some ids as a person reads them, special ones too."""
        special = set(self.special.model_dump(exclude_none=True).values())
        parts = []
        for is_special, group in groupby(ids, special.__contains__):
            run = list(group)
            parts += [self.tokens[i] for i in run] if is_special else [self._decoded(run)]
        return " ".join(part.strip() for part in parts)

    @cached_property
    def _at_space(self) -> npt.NDArray[np.bool_]:
        """Which pieces have a space before them, [V]."""
        return np.array([token.startswith(SPACES) for token in self.tokens])

    def _decoded(self, ids: list[int]) -> str:
        if self._tokenizer.decoder is None:
            self._tokenizer.decoder = self._usual_decoder()
        return str(self._tokenizer.decode(ids, skip_special_tokens=False))

    def _usual_decoder(self) -> Any:
        """For files without one."""
        if self.kind == "wordpiece":
            return decoders.WordPiece(cleanup=False)
        if any(token.startswith("Ġ") for token in self.tokens):
            return decoders.ByteLevel()
        spaces = decoders.Replace("▁", " ")
        return decoders.Sequence([spaces, decoders.ByteFallback(), decoders.Fuse()])

    def _all(self, texts: Sequence[str]) -> Iterator[Any]:
        for batch in batches(texts):
            yield from self.encoded(batch)

    def encoded(self, texts: Sequence[str]) -> Any:
        """Texts as the library's own objects, all at once; see `batches`.

        Raises:
          DataError: It cannot.
        """
        try:
            return self._tokenizer.encode_batch(texts, add_special_tokens=False)
        except Exception as error:  # the library has no other class
            raise DataError(
                f"{self.path} cannot tokenize this text: {error}",
                hint="save it again with the library that made it, or leave --vocab out",
            ) from error


def _shown(token: str, text: str) -> str:
    """The text of a token without white space; a part of a character is shown by its bytes."""
    if "\ufffd" in text and all(character in _BYTES for character in token):
        text = bytes(map(_BYTES.__getitem__, token)).decode("utf-8", "backslashreplace")
    text = text.strip() or token
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def _byte_characters() -> dict[str, int]:
    """The bytes that the characters of byte-level pieces stand for.

    Printable ones stand for themselves, and what is beyond those of Latin-1 for all others.
    """
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = sorted(set(range(0x100)) - set(printable))
    return {chr(byte): byte for byte in printable} | {
        chr(0x100 + place): byte for place, byte in enumerate(others)
    }


_BYTES = _byte_characters()


def _load(path: Path, content: str) -> Any:
    try:
        return Tokenizer.from_str(content)
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # its panics are no exceptions
        raise DataError(
            f"{path} is no tokenizer that the library tokenizers can read: {error}",
            hint="copy the file again, or save it with a newer version of the library",
        ) from error


def batches(texts: Sequence[str]) -> Iterator[Sequence[str]]:
    """Texts that are encoded at once."""
    begin = characters = 0
    for end, text in enumerate(texts, start=1):
        characters += len(text) + 1
        if characters >= _AT_ONCE:
            yield texts[begin:end]
            begin, characters = end, 0
    if begin < len(texts):
        yield texts[begin:]


def _trimmed(
    text: str, offsets: Sequence[tuple[int, int]]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Begins and ends in characters without the white space at either side; [T] each."""
    bounds = np.empty((2, len(offsets)), np.int64)
    for place, (begin, end) in enumerate(offsets):
        while begin < end and text[begin].isspace():
            begin += 1
        while end > begin and text[end - 1].isspace():
            end -= 1
        bounds[:, place] = begin, end
    return bounds[0], bounds[1]
