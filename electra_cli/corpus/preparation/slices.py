"""The one pure function that prepares a slice; everything else only schedules it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b
from pathlib import Path

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict

from electra_cli.corpus.preparation.documents import slice_documents
from electra_cli.corpus.preparation.packing import Frame, make_packer
from electra_cli.corpus.preparation.plan import Slice
from electra_cli.corpus.reading.faults import Document
from electra_cli.corpus.reading.readers import ReadOptions, ReadSoFar
from electra_cli.corpus.shards.counts import Counts, most_frequent
from electra_cli.corpus.shards.manifest import Packing
from electra_cli.corpus.shards.rows import DType, Shard, ShardWriter, Split, ids_dtype
from electra_cli.corpus.wordpiece.line_encoder import LineEncoder
from electra_cli.corpus.wordpiece.marks import count_marked
from electra_cli.corpus.wordpiece.tokenizer import WordSplitter
from electra_cli.corpus.wordpiece.vocabulary import continuations, load_vocabulary, special_ids
from electra_cli.files.atomic import atomic_write_text
from electra_cli.files.layout import record_path, slice_name

HASH_BITS = 128
RECORD_FORMAT_VERSION = 3

LONGEST_UNKNOWN_WORD = 64
_MOST_UNKNOWN_WORDS = 2**16  # different ones at a time

# Small documents are encoded together.
_BATCH_CHARACTERS = 2**18


class SliceRecord(BaseModel):
    """A finished slice, or block of one; stored beside the shards, after them.

    Attributes:
      format_version: Of this record.
      index: Which slice.
      block: Which block of it, if it is one (`blocks.py`).
      held_out_below: Documents whose hash is below this are held out; hexadecimal.
      lowest_hash: Lowest hash among documents that made an example; hexadecimal, or None.
      counts: What was met.
      unknown_words: The most frequent white-space words with an [UNK], and how often they came.
      marked_words: The same of words with marks, at its beginning.
      left_out: Names of the first inputs that are unreadable or damaged; none depends on where
        the corpus lies.
      shards: At most one for each split and block; none for a split without rows.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    format_version: int = RECORD_FORMAT_VERSION
    index: int
    block: int | None = None
    held_out_below: str
    lowest_hash: str | None
    counts: Counts
    unknown_words: dict[str, int]
    marked_words: dict[str, int] = {}
    left_out: list[str] = []
    shards: list[Shard]


@dataclass(frozen=True)
class SliceSettings:
    """Everything besides the slice that decides its shards; see `PrepareOptions`.

    The paths are where this machine finds the vocabulary and what de-duplication left out.
    """

    vocab_path: Path
    vocab_sha256: str
    lowercase: bool
    strip_accents: bool
    sequence_length: int
    packing: Packing
    seed: int
    slice_bytes: int
    read: ReadOptions
    duplicates: Path | None


def prepare_slice(
    slice_: Slice,
    *,
    settings: SliceSettings,
    output: Path,
    held_out_below: int,
    on_progress: Callable[[int], None] | None = None,
) -> SliceRecord:
    """Turns one slice into its shards and its record.

    The files depend on the arguments and on the text alone: running it again, anywhere, writes
    the same bytes.

    Args:
      slice_: What to read.
      settings: How to tokenize and pack it.
      output: The prepared folder.
      held_out_below: Documents whose 128-bit hash is below this go to validation.
      on_progress: Is told bytes on disk as they are done.

    Raises:
      DataError: Bad input.
      InputMissingError: An input is gone.
      OSError: A shard cannot be written.
    """
    read = ReadSoFar()
    return prepare_documents(
        slice_documents(
            slice_,
            read,
            options=settings.read,
            duplicates=settings.duplicates,
            on_progress=on_progress,
        ),
        read,
        index=slice_.index,
        block=None,
        settings=settings,
        output=output,
        held_out_below=held_out_below,
    )


def prepare_documents(
    documents: Iterable[Document],
    read: ReadSoFar,
    *,
    index: int,
    block: int | None,
    settings: SliceSettings,
    output: Path,
    held_out_below: int,
) -> SliceRecord:
    """Turns documents into shards and their record.

    Args:
      documents: In order.
      read: What was met while reading them, complete after the last; their tokens are added.
      index: The slice they belong to.
      block: The block of it, or None if they are all of it.
      settings: How to tokenize and pack them.
      output: The prepared folder.
      held_out_below: Documents whose 128-bit hash is below this go to validation.

    Raises:
      OSError: A shard cannot be written.
    """
    tools = _tools(
        settings.vocab_path,
        settings.vocab_sha256,
        lowercase=settings.lowercase,
        strip_accents=settings.strip_accents,
    )
    frame = Frame(settings.sequence_length, tools.cls, tools.sep)
    counts = read.counts
    unknown_words: Counter[str] = Counter()
    marked_words: Counter[str] = Counter()
    lowest: int | None = None
    splits: tuple[Split, ...] = ("train", "validation")
    with ExitStack() as stack:
        writers = {
            split: stack.enter_context(
                ShardWriter(
                    output / f"{split}-{slice_name(index, block)}.npy",
                    split,
                    sequence_length=settings.sequence_length,
                    dtype=tools.dtype,
                    begins_word=tools.begins_word,
                )
            )
            for split in splits
        }
        packers = {split: make_packer(settings.packing, frame, settings.seed) for split in splits}
        for document, lines in _encoded(
            documents, tools.encoder, counts, unknown_words, marked_words
        ):
            if not any(lines):
                continue
            digest = blake2b("\n".join(document).encode("utf-8"), digest_size=HASH_BITS // 8)
            value = int.from_bytes(digest.digest(), "big")
            lowest = value if lowest is None else min(lowest, value)
            split = splits[value < held_out_below]
            examples, dropped = packers[split].add(lines, digest.digest())
            counts.documents += 1
            counts.validation_documents += split == "validation"
            counts.dropped_tokens += dropped
            for example in examples:
                counts.padding += writers[split].append(example)
        for split in splits:
            for example in packers[split].rest():
                counts.padding += writers[split].append(example)
        shards = [shard for split in splits if (shard := writers[split].finish())]

    record = SliceRecord(
        index=index,
        block=block,
        held_out_below=f"{held_out_below:x}",
        lowest_hash=None if lowest is None else f"{lowest:032x}",
        counts=counts,
        unknown_words=most_frequent(unknown_words),
        marked_words=most_frequent(marked_words),
        left_out=read.left_out,
        shards=shards,
    )
    atomic_write_text(record_path(output, index, block), record.model_dump_json(indent=1) + "\n")
    return record


def finished_record(output: Path, index: int, block: int | None = None) -> SliceRecord | None:
    """The record of a slice whose shards are all there, or None if it has to be prepared.

    Args:
      output: The prepared folder.
      index: Which slice.
      block: Which block of it, or None for the whole.
    """
    try:
        text = record_path(output, index, block).read_text(encoding="utf-8")
        record = SliceRecord.model_validate_json(text)
        sizes = [(output / shard.file).stat().st_size for shard in record.shards]
    except (OSError, ValueError):
        return None
    complete = sizes == [shard.bytes for shard in record.shards]
    found = (record.format_version, record.index, record.block)
    return record if complete and found == (RECORD_FORMAT_VERSION, index, block) else None


def _encoded(
    documents: Iterable[Document],
    encoder: LineEncoder,
    counts: Counts,
    unknown_words: Counter[str],
    marked_words: Counter[str],
) -> Iterator[tuple[Document, list[bytes]]]:
    """Each document with the ids of its lines, counted; several are encoded at once."""
    for number, batch in enumerate(_batches(documents)):
        if number == 0:  # enough to see what language it is, and all of them would take time
            words, marked = count_marked(line for document in batch for line in document)
            counts.sampled_words += words
            for word, times in marked.items():
                counts.sampled_marked_words += times
                marked_words[word[:LONGEST_UNKNOWN_WORD]] += times
        encoded = encoder.encode([line for document in batch for line in document])
        counts.unknown_tokens += encoded.unknown_tokens
        unknown_words.update(word[:LONGEST_UNKNOWN_WORD] for word in encoded.unknown_words)
        if len(unknown_words) > _MOST_UNKNOWN_WORDS:
            # Which are dropped follows from the documents alone, so it is the same everywhere.
            kept = most_frequent(unknown_words, _MOST_UNKNOWN_WORDS // 2)
            unknown_words.clear()
            unknown_words.update(kept)
        begin = words_before = 0
        for document in batch:
            end = begin + len(document)
            lines, words = encoded.lines[begin:end], encoded.words[end - 1]
            if tokens := sum(map(len, lines)) // encoder.itemsize:
                counts.words += words - words_before
                counts.tokens += tokens
            else:
                counts.empty_documents += 1
            yield document, lines
            begin, words_before = end, words


def _batches(documents: Iterable[Document]) -> Iterator[list[Document]]:
    batch: list[Document] = []
    characters = 0
    for document in documents:
        batch.append(document)
        characters += sum(map(len, document))
        if characters >= _BATCH_CHARACTERS:
            yield batch
            batch, characters = [], 0
    if batch:
        yield batch


@dataclass(frozen=True)
class _Tools:
    """What follows from the vocabulary: the encoder, and two special ids as bytes."""

    encoder: LineEncoder
    dtype: DType
    begins_word: npt.NDArray[np.bool_]
    cls: bytes
    sep: bytes


@lru_cache(maxsize=1)
def _tools(vocab_path: Path, vocab_sha256: str, *, lowercase: bool, strip_accents: bool) -> _Tools:
    """Kept between the slices of a process, so that the cache of words stays warm.

    The hash is there to tell two vocabularies apart that one path has held.
    """
    tokens = load_vocabulary(vocab_path, may_be_bare=True)
    special = special_ids(tokens)
    dtype = ids_dtype(len(tokens))
    split = WordSplitter(lowercase=lowercase, strip_accents=strip_accents)
    cls, sep = (
        np.array(id_, np.dtype(dtype).newbyteorder("<")).tobytes()
        for id_ in (special.cls, special.sep)
    )
    begins_word = ~np.array(continuations(tokens))  # [V]
    begins_word[[special.pad, special.cls, special.sep, special.mask]] = False
    return _Tools(LineEncoder(tokens, split, dtype), dtype, begins_word, cls, sep)
