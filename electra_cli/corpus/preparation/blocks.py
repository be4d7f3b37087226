"""Streams: inputs that hold more than a slice should and cannot be cut, such as one large .gz.

One reader goes through a stream and hands out blocks of documents. A block is prepared like a
slice and has shards and a record of its own, so memory stays bounded, several workers can share
one stream, and a second run prepares only the blocks that are missing. Where blocks end depends
on the text alone.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path

from electra_cli.corpus.preparation.documents import slice_documents
from electra_cli.corpus.preparation.plan import Slice
from electra_cli.corpus.preparation.slices import (
    SliceRecord,
    SliceSettings,
    finished_record,
    prepare_documents,
)
from electra_cli.corpus.reading.faults import Document
from electra_cli.corpus.reading.readers import ReadOptions, ReadSoFar
from electra_cli.corpus.shards.counts import Counts, most_frequent
from electra_cli.files.atomic import atomic_write_text
from electra_cli.files.layout import record_path

_MOST_DOCUMENTS = 2**17  # of a block: each costs more than its text


@dataclass(frozen=True)
class Block:
    """Some documents of a stream.

    Attributes:
      slice_index: The slice that the stream is.
      number: Which block of it.
      text: The documents in UTF-8: a line each for their lines, a blank line between them.
      read: What was met while reading them.
    """

    slice_index: int
    number: int
    text: bytes
    read: ReadSoFar


def read_blocks(
    slice_: Slice, *, options: ReadOptions, block_bytes: int, duplicates: Path | None = None
) -> Iterator[Block]:
    """Reads a stream from its beginning to its end.

    Args:
      slice_: The stream.
      options: How to read it.
      block_bytes: Text that ends a block, together with the rest of its last document; very many
        documents end it before.
      duplicates: See `slice_documents`.

    Raises:
      DataError: Bad input.
      InputMissingError: The input is gone.
    """
    read = ReadSoFar()
    before = deepcopy(read)
    documents: list[bytes] = []
    size = number = 0

    def close() -> Block:
        nonlocal before, documents, size, number
        block = Block(slice_.index, number, b"\n\n".join(documents), read.since(before))
        before, documents, size, number = deepcopy(read), [], 0, number + 1
        return block

    for document in slice_documents(slice_, read, options=options, duplicates=duplicates):
        documents.append("\n".join(document).encode("utf-8"))
        size += len(documents[-1])
        if size >= block_bytes or len(documents) == _MOST_DOCUMENTS:
            yield close()
    # Also without documents: what was skipped behind the last one counts too.
    yield close()


def prepare_block(
    block: Block, *, settings: SliceSettings, output: Path, held_out_below: int
) -> SliceRecord:
    """Turns one block into its shards and its record; see `prepare_slice`.

    Raises:
      OSError: A shard cannot be written.
    """
    return prepare_documents(
        _documents(block.text),
        deepcopy(block.read),  # a block may be prepared again
        index=block.slice_index,
        block=block.number,
        settings=settings,
        output=output,
        held_out_below=held_out_below,
    )


def _documents(text: bytes) -> Iterator[Document]:
    """The documents of a block, one by one: decoded together they take several times its size."""
    begin = 0
    while begin < len(text):
        end = text.find(b"\n\n", begin)
        end = len(text) if end < 0 else end
        yield text[begin:end].decode("utf-8").split("\n")
        begin = end + 2


def prepare_stream(
    slice_: Slice,
    *,
    settings: SliceSettings,
    output: Path,
    held_out_below: int,
    on_progress: Callable[[int], None],
    submit: Callable[[Block], Future[SliceRecord]] | None = None,
    wait: Callable[[Future[SliceRecord]], SliceRecord] = Future.result,
    ahead: int = 0,
    blocks: Iterable[Block] | None = None,
) -> SliceRecord:
    """Turns a stream into the shards of its blocks and one record of them all.

    Args:
      slice_: The stream.
      settings: See `prepare_slice`.
      output: See `prepare_slice`.
      held_out_below: See `prepare_slice`.
      on_progress: Is told bytes on disk as they are done.
      submit: Gives a block to a worker; by default blocks are prepared here, one by one.
      wait: Waits for a worker.
      ahead: Blocks to read before the first of them has to be done.
      blocks: Of the stream; by default they are read.

    Raises:
      DataError: Bad input.
      InputMissingError: The input is gone.
      OSError: A shard cannot be written.
    """

    def prepare_here(block: Block) -> Future[SliceRecord]:
        return _done(
            prepare_block(block, settings=settings, output=output, held_out_below=held_out_below)
        )

    submit = submit or prepare_here
    records: list[SliceRecord] = []
    waiting: deque[tuple[int, Future[SliceRecord]]] = deque()

    def take_first() -> None:
        disk_bytes, future = waiting.popleft()
        records.append(wait(future))
        on_progress(disk_bytes)

    if blocks is None:
        blocks = read_blocks(
            slice_,
            options=settings.read,
            block_bytes=settings.slice_bytes,
            duplicates=settings.duplicates,
        )
    for block in blocks:
        record = _finished_block(output, block, held_out_below)
        waiting.append((block.read.disk_bytes, _done(record) if record else submit(block)))
        while len(waiting) > ahead:
            take_first()
    while waiting:
        take_first()
    return _combine(slice_, records, output, held_out_below)


def _done(record: SliceRecord) -> Future[SliceRecord]:
    future: Future[SliceRecord] = Future()
    future.set_result(record)
    return future


def _finished_block(output: Path, block: Block, held_out_below: int) -> SliceRecord | None:
    """The record of a block that would come out the same with this limit."""
    record = finished_record(output, block.slice_index, block.number)
    if record is None or record.held_out_below == f"{held_out_below:x}":
        return record
    lowest = record.lowest_hash
    none_held_out = not record.counts.validation_documents
    none_would_be = lowest is None or int(lowest, 16) >= held_out_below
    return record if none_held_out and none_would_be else None


def _combine(
    slice_: Slice, records: list[SliceRecord], output: Path, held_out_below: int
) -> SliceRecord:
    counts = Counts()
    for record in records:
        counts.add(record.counts)
    unknown_words: Counter[str] = Counter()
    marked_words: Counter[str] = Counter()
    for record in records:
        unknown_words.update(record.unknown_words)
        marked_words.update(record.marked_words)
    hashes = [record.lowest_hash for record in records if record.lowest_hash is not None]
    combined = SliceRecord(
        index=slice_.index,
        held_out_below=f"{held_out_below:x}",
        lowest_hash=min(hashes, default=None),
        counts=counts,
        unknown_words=most_frequent(unknown_words),
        marked_words=most_frequent(marked_words),
        left_out=[name for record in records for name in record.left_out],
        shards=[shard for record in records for shard in record.shards],
    )
    atomic_write_text(record_path(output, slice_.index), combined.model_dump_json(indent=1) + "\n")
    return combined
