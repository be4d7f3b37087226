"""The one pure function that prepares a slice; everything else only schedules it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from electra_cli.corpus.atomic import atomic_write_text
from electra_cli.corpus.faults import Document
from electra_cli.corpus.output import record_path, slice_name
from electra_cli.corpus.packing import Packed, document_random, pack_document
from electra_cli.corpus.plan import Slice
from electra_cli.corpus.readers import ReadCounts, ReadOptions, read_documents
from electra_cli.corpus.shards import Rows, Shard, Split, ids_dtype
from electra_cli.corpus.tokenizer import LineEncoder, build_tokenizer
from electra_cli.corpus.vocabulary import SpecialIds, load_vocabulary, special_ids

HASH_BITS = 128
RECORD_FORMAT_VERSION = 1

_PROGRESS_BYTES = 256 * 1024


class Counts(BaseModel):
    """What was met on the way from text to examples.

    Attributes:
      documents: Documents that made at least one example.
      validation_documents: Those of them that are held out.
      empty_documents: Documents in which no token was left.
      words: White-space words.
      tokens: Word pieces of the text, before trimming.
      unknown_tokens: Those of them that are [UNK].
      dropped_tokens: Those of them that trimming to the sequence length left out.
      padding: Padded positions in all shards.
      input_bytes: Bytes read, uncompressed.
      bad_json_lines: JSON lines skipped.
      bad_rows: Rows of tables skipped.
      invalid_utf8: Documents skipped.
    """

    model_config = ConfigDict(extra="forbid")

    documents: int = 0
    validation_documents: int = 0
    empty_documents: int = 0
    words: int = 0
    tokens: int = 0
    unknown_tokens: int = 0
    dropped_tokens: int = 0
    padding: int = 0
    input_bytes: int = 0
    bad_json_lines: int = 0
    bad_rows: int = 0
    invalid_utf8: int = 0

    def add(self, other: Counts) -> None:
        """Adds another's figures to these."""
        for name in Counts.model_fields:
            setattr(self, name, getattr(self, name) + getattr(other, name))


class SliceRecord(BaseModel):
    """A finished slice, or block of one; stored beside the shards, after them.

    Attributes:
      format_version: Of this record.
      index: Which slice.
      block: Which block of it, if it is one (`blocks.py`).
      held_out_below: Documents whose hash is below this are held out; hexadecimal.
      lowest_hash: Lowest hash among documents that made an example; hexadecimal, or None.
      counts: What was met.
      shards: At most one for each split and block; none for a split without rows.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    format_version: int = RECORD_FORMAT_VERSION
    index: int
    block: int | None = None
    held_out_below: str
    lowest_hash: str | None
    counts: Counts
    shards: list[Shard]


@dataclass(frozen=True)
class SliceSettings:
    """Everything besides the slice that decides its shards; see `prepare_data`."""

    vocab_path: Path
    vocab_sha256: str
    lowercase: bool
    strip_accents: bool
    sequence_length: int
    seed: int
    slice_bytes: int
    read: ReadOptions


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
    read = ReadCounts()
    reported = 0

    def documents() -> Iterator[Document]:
        nonlocal reported
        for part in slice_.parts:
            for document in read_documents(part, options=settings.read, counts=read):
                if on_progress and read.disk_bytes - reported >= _PROGRESS_BYTES:
                    on_progress(read.disk_bytes - reported)
                    reported = read.disk_bytes
                yield document
        if on_progress:
            on_progress(read.disk_bytes - reported)

    return prepare_documents(
        documents(),
        read,
        index=slice_.index,
        block=None,
        settings=settings,
        output=output,
        held_out_below=held_out_below,
    )


def prepare_documents(
    documents: Iterable[Document],
    read: ReadCounts,
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
      read: What was met while reading them; is complete after the last.
      index: The slice they belong to.
      block: The block of it, or None if they are all of it.
      settings: How to tokenize and pack them.
      output: The prepared folder.
      held_out_below: Documents whose 128-bit hash is below this go to validation.

    Raises:
      OSError: A shard cannot be written.
    """
    encoder, special, vocab_size = _encoder(
        settings.vocab_path,
        settings.vocab_sha256,
        lowercase=settings.lowercase,
        strip_accents=settings.strip_accents,
    )
    dtype = ids_dtype(vocab_size)
    rows: dict[Split, Rows] = {
        "train": Rows(settings.sequence_length, dtype),
        "validation": Rows(settings.sequence_length, dtype),
    }
    counts = Counts()
    lowest: int | None = None

    for document in documents:
        digest = blake2b("\n".join(document).encode("utf-8"), digest_size=HASH_BITS // 8)
        packed = _prepare_document(document, encoder, special, settings, digest.digest(), counts)
        if not packed.examples:
            counts.empty_documents += 1
            continue
        value = int.from_bytes(digest.digest(), "big")
        lowest = value if lowest is None else min(lowest, value)
        held_out = value < held_out_below
        counts.documents += 1
        counts.validation_documents += held_out
        counts.dropped_tokens += packed.dropped
        target = rows["validation" if held_out else "train"]
        for example in packed.examples:
            counts.padding += target.append(example)

    counts.input_bytes = read.input_bytes
    counts.bad_json_lines = read.bad_json_lines
    counts.bad_rows = read.bad_rows
    counts.invalid_utf8 = read.invalid_utf8
    shards = []
    for split, examples in rows.items():
        file = f"{split}-{slice_name(index, block)}.npy"
        if len(examples):
            shards.append(examples.write(output, file, split))
        else:
            (output / file).unlink(missing_ok=True)  # of an earlier division into splits
    record = SliceRecord(
        index=index,
        block=block,
        held_out_below=f"{held_out_below:x}",
        lowest_hash=None if lowest is None else f"{lowest:032x}",
        counts=counts,
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


def _prepare_document(
    document: list[str],
    encoder: LineEncoder,
    special: SpecialIds,
    settings: SliceSettings,
    document_hash: bytes,
    counts: Counts,
) -> Packed:
    """Tokenizes and packs one document, counting its words and tokens."""
    lines = []
    words_in_document = 0
    for line in document:
        ids, words = encoder.encode(line)
        lines.append(ids)
        words_in_document += words
    packed = pack_document(
        lines,
        sequence_length=settings.sequence_length,
        cls_id=special.cls,
        sep_id=special.sep,
        rng=document_random(settings.seed, document_hash),
    )
    if packed.examples:
        counts.words += words_in_document
        counts.tokens += sum(map(len, lines))
        counts.unknown_tokens += sum(ids.count(special.unk) for ids in lines)
    return packed


@lru_cache(maxsize=1)
def _encoder(
    vocab_path: Path, vocab_sha256: str, *, lowercase: bool, strip_accents: bool
) -> tuple[LineEncoder, SpecialIds, int]:
    """Kept between the slices of a process, so that the cache of words stays warm.

    The hash is there to tell two vocabularies apart that one path has held.
    """
    tokens = load_vocabulary(vocab_path)
    tokenizer = build_tokenizer(vocab_path, lowercase=lowercase, strip_accents=strip_accents)
    return LineEncoder(tokenizer), special_ids(tokens), len(tokens)
