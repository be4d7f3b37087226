"""Documents as the ids of their lines, and what is counted on the way."""

from __future__ import annotations

import os
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from electra_cli.corpus.reading.faults import Document
from electra_cli.corpus.shards.counts import Counts, most_frequent
from electra_cli.corpus.shards.manifest import VocabularyFile
from electra_cli.corpus.shards.rows import DType, ids_dtype
from electra_cli.corpus.subword.library import LibraryTokenizer
from electra_cli.corpus.subword.line_encoder import LibraryLineEncoder
from electra_cli.corpus.wordpiece.identity import TokenizerOptions
from electra_cli.corpus.wordpiece.line_encoder import EncodedLines, LineEncoder
from electra_cli.corpus.wordpiece.marks import count_marked
from electra_cli.corpus.wordpiece.tokenizer import WordSplitter
from electra_cli.corpus.wordpiece.vocabulary import SpecialIds, load_vocabulary
from electra_cli.corpus.wordpiece.wordpiece_tokenizer import WordPieceTokenizer

LONGEST_UNKNOWN_WORD = 64
MOST_UNKNOWN_WORDS = 2**16

# Small documents are encoded together.
BATCH_CHARACTERS = 2**18


class Encoder(Protocol):
    """Makes ids of lines; `itemsize` are the bytes of an id."""

    itemsize: int

    def encode(self, lines: Sequence[str]) -> EncodedLines:
        """Encodes lines, which hold no line end."""


@dataclass(frozen=True)
class Encoding:
    """What follows from the vocabulary.

    Attributes:
      encoder: Makes ids of lines.
      dtype: Type of an id.
      begins_word: For each token whether a word begins with it; [V]. None where the encoder says
        it of each token in its place.
      pad: The id of [PAD].
      cls: The id of [CLS] as bytes.
      sep: The id of [SEP] as bytes.
    """

    encoder: Encoder
    dtype: DType
    begins_word: npt.NDArray[np.bool_] | None
    pad: int
    cls: bytes
    sep: bytes


_kept = threading.local()


def kept_between_slices(make: Callable[..., Any], *given: Any) -> Any:
    """What a thread makes once for many slices, so that its cache of words stays warm.

    The last such thing alone is kept: each takes some ten megabytes.
    """
    if getattr(_kept, "of", None) != (make, *given):
        _kept.of = _kept.thing = None  # its memory is free before the next one takes its own
        _kept.thing = make(*given)
        _kept.of = (make, *given)
    return _kept.thing


def forget_kept() -> None:
    """Gives back what `kept_between_slices` has kept, for work that reads no slice."""
    _kept.of = _kept.thing = None


def encoding_of(
    vocab_path: Path,
    vocab: VocabularyFile,
    special: SpecialIds,
    tokenizer: TokenizerOptions | None,
) -> Encoding:
    """The encoding, kept between the slices of a process.

    The hash is there to tell two vocabularies apart that one path has held.
    """
    encoding: Encoding = kept_between_slices(_encoding, vocab_path, vocab, special, tokenizer)
    return encoding


def _encoding(
    vocab_path: Path,
    vocab: VocabularyFile,
    special: SpecialIds,
    tokenizer: TokenizerOptions | None,
) -> Encoding:
    # A worker is one core's, and lists of new words are too short to be worth a pool of threads.
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    dtype = ids_dtype(vocab.size)
    encoder: Encoder
    begins_word = None
    if tokenizer is None:
        library = LibraryTokenizer(vocab_path, special=special, rows=vocab.size)
        encoder = LibraryLineEncoder(library)
    else:
        own = WordPieceTokenizer(load_vocabulary(vocab_path, may_be_bare=True), tokenizer)
        split = WordSplitter(**tokenizer.model_dump())
        encoder, begins_word = LineEncoder(own.tokens, split, dtype), own.begins_word  # [V]
    unit = np.dtype(f"<u{encoder.itemsize}")
    cls, sep = (np.array(id_, unit).tobytes() for id_ in (special.cls, special.sep))
    return Encoding(encoder, dtype, begins_word, special.pad, cls, sep)


@dataclass
class Words:
    """Words that tell something about a text, and how often each came.

    Attributes:
      unknown: White-space words with an [UNK].
      marked: White-space words with marks, at the beginning.
    """

    unknown: Counter[str] = field(default_factory=Counter)
    marked: Counter[str] = field(default_factory=Counter)


def encoded(
    documents: Iterable[Document],
    encoder: Encoder,
    counts: Counts,
    words: Words,
    *,
    most_unknown: int = MOST_UNKNOWN_WORDS,
    batch_characters: int = BATCH_CHARACTERS,
) -> Iterator[tuple[Document, list[bytes]]]:
    """Each document with the ids of its lines; several are encoded at once.

    Args:
      documents: In order.
      encoder: Of the vocabulary.
      counts: Gains the figures of the text.
      words: Gains its words.
      most_unknown: Different unknown words to count at a time; the rarest give way to new ones.
      batch_characters: Text that is encoded at once.
    """
    for number, batch in enumerate(_batches(documents, batch_characters)):
        if number == 0:  # enough to see what language it is, and all of them would take time
            sampled, marked = count_marked(line for document in batch for line in document)
            counts.sampled_words += sampled
            for word, times in marked.items():
                counts.sampled_marked_words += times
                words.marked[word[:LONGEST_UNKNOWN_WORD]] += times
        found = encoder.encode([line for document in batch for line in document])
        counts.unknown_tokens += found.unknown_tokens
        words.unknown.update(word[:LONGEST_UNKNOWN_WORD] for word in found.unknown_words)
        if len(words.unknown) > most_unknown:
            # Which are dropped follows from the documents alone, so it is the same everywhere.
            words.unknown = Counter(most_frequent(words.unknown, most_unknown // 2))
        begin = words_before = 0
        for document in batch:
            end = begin + len(document)
            lines, words_so_far = found.lines[begin:end], found.words[end - 1]
            if tokens := sum(map(len, lines)) // encoder.itemsize:
                counts.words += words_so_far - words_before
                counts.tokens += tokens
            else:
                counts.empty_documents += 1
            yield document, lines
            begin, words_before = end, words_so_far


def _batches(documents: Iterable[Document], most_characters: int) -> Iterator[list[Document]]:
    batch: list[Document] = []
    characters = 0
    for document in documents:
        batch.append(document)
        characters += sum(map(len, document))
        if characters >= most_characters:
            yield batch
            batch, characters = [], 0
    if batch:
        yield batch
