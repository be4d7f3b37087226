"""The one pure function that prepares a slice; everything else only schedules it.

A stream is a slice of the plan that holds more than a slice should and cannot be cut unread, such
as one large .gz. It is cut while it is read, and each slice of it has shards and a record of its
own: so memory stays bounded, several workers can share a stream, and a second run prepares only
what is missing. Where the slices end depends on the text alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from copy import deepcopy
from dataclasses import dataclass
from hashlib import blake2b

from electra_cli.corpus.preparation.documents import slice_documents
from electra_cli.corpus.preparation.encoding import Words, encoded, encoding_of
from electra_cli.corpus.preparation.options import SliceSettings
from electra_cli.corpus.preparation.plan import Report, Slice
from electra_cli.corpus.preparation.records import (
    SliceRecord,
    Totals,
    finished_record,
    write_record,
)
from electra_cli.corpus.reading.faults import Document
from electra_cli.corpus.reading.readers import ReadSoFar
from electra_cli.corpus.shards.counts import most_frequent
from electra_cli.corpus.shards.packing import Frame, make_packer
from electra_cli.corpus.shards.rows import ShardWriter, Split
from electra_cli.files.layout import slice_name

HASH_BITS = 128
MOST_DOCUMENTS = 2**17  # of a slice of a stream: each costs more than its text


def prepare_slice(slice_: Slice, settings: SliceSettings, report: Report) -> SliceRecord:
    """Turns one slice of the plan into its shards and its record.

    The files depend on the arguments and on the text alone: running it again, anywhere, writes
    the same bytes.

    Args:
      slice_: What to read.
      settings: How to tokenize and pack it, and where to.
      report: Receives the file that is being read, and bytes on disk that are done.

    Raises:
      DataError: Bad input, or not the input of the plan.
      InputMissingError: An input is gone.
      OSError: A shard cannot be written.
    """
    if slice_.is_stream:
        records = [
            prepare_stream_slice(cut, settings, report)
            for cut in cut_stream(slice_, settings, report)
        ]
        return finish_stream(slice_.index, records, settings)
    read = ReadSoFar()
    documents = slice_documents(
        slice_,
        read,
        options=settings.options.read,
        duplicates=settings.duplicates,
        report=report,
    )
    return _prepare(documents, read, slice_.index, None, settings)


@dataclass(frozen=True)
class StreamSlice:
    """A slice of a stream, read already.

    Attributes:
      index: The slice of the plan that the stream is.
      number: Which slice of it.
      is_last: Whether the stream ends with it.
      file: What errors call the stream.
      text: The documents in UTF-8: a line each for their lines, a blank line between them.
      read: What was met while reading them.
    """

    index: int
    number: int
    is_last: bool
    file: str
    text: bytes
    read: ReadSoFar


def cut_stream(
    slice_: Slice,
    settings: SliceSettings,
    report: Report,
    *,
    most_documents: int = MOST_DOCUMENTS,
) -> Iterator[StreamSlice]:
    """Reads a stream from its beginning to its end, in slices that end where text or documents do.

    Args:
      slice_: The stream.
      settings: How to read it; a slice of it ends with the document that fills it.
      report: Receives the name of the file; nothing is done when it is read.
      most_documents: Documents that fill a slice, however little text they have.

    Raises:
      DataError: Bad input, or not the input of the plan.
      InputMissingError: The input is gone.
    """
    read = ReadSoFar()
    before = deepcopy(read)
    documents: list[bytes] = []
    size = number = 0

    def cut(*, is_last: bool) -> StreamSlice:
        nonlocal before, documents, size, number
        text, since = b"\n\n".join(documents), read.since(before)
        found = StreamSlice(slice_.index, number, is_last, slice_.label, text, since)
        before, documents, size, number = deepcopy(read), [], 0, number + 1
        return found

    for document in slice_documents(
        slice_,
        read,
        options=settings.options.read,
        duplicates=settings.duplicates,
        report=lambda file, disk_bytes: report(file, 0),
    ):
        documents.append("\n".join(document).encode("utf-8"))
        size += len(documents[-1])
        if size >= settings.options.slice_bytes or len(documents) == most_documents:
            yield cut(is_last=False)
    # Also without documents: what was skipped behind the last one counts too.
    yield cut(is_last=True)


def prepare_stream_slice(cut: StreamSlice, settings: SliceSettings, report: Report) -> SliceRecord:
    """Turns a slice of a stream into its shards and its record, unless they are there.

    Raises:
      OSError: A shard cannot be written.
    """
    record = finished_record(settings.output, cut.index, cut.number)
    if record is None or not record.is_same_below(settings.held_out_below):
        documents = _documents(cut.text)
        record = _prepare(documents, cut.read, cut.index, cut.number, settings)
    report(cut.file, cut.read.disk_bytes)
    return record


def finish_stream(
    index: int, records: Iterable[SliceRecord], settings: SliceSettings
) -> SliceRecord:
    """Writes the record of a stream, which stands for those of all its slices.

    Args:
      index: Which slice of the plan it is.
      records: Of all its slices.
      settings: As they were prepared.

    Raises:
      OSError: It cannot be written.
    """
    totals = Totals()
    for record in sorted(records, key=lambda record: record.number or 0):
        totals.add(record)
    record = SliceRecord(
        index=index,
        held_out_below=f"{settings.held_out_below:x}",
        lowest_hash=totals.lowest_hash,
        counts=totals.counts,
        unknown_words=most_frequent(totals.unknown_words),
        marked_words=most_frequent(totals.marked_words),
        left_out=totals.left_out,
        shards=totals.shards,
    )
    write_record(settings.output, record)
    return record


def _documents(text: bytes) -> Iterator[Document]:
    """The documents one by one: decoded together they take several times the text."""
    begin = 0
    while begin < len(text):
        end = text.find(b"\n\n", begin)
        end = len(text) if end < 0 else end
        yield text[begin:end].decode("utf-8").split("\n")
        begin = end + 2


def _prepare(
    documents: Iterable[Document],
    read: ReadSoFar,
    index: int,
    number: int | None,
    settings: SliceSettings,
) -> SliceRecord:
    """Turns documents into shards and their record.

    Args:
      documents: In order.
      read: What was met while reading them, complete after the last; their tokens are added.
      index: The slice of the plan that they belong to.
      number: The slice of the stream, or None if they are all of it.
      settings: How, and where to.
    """
    options = settings.options
    encoding = encoding_of(settings.vocab_path, settings.vocab, settings.special, options.tokenizer)
    frame = Frame(options.sequence_length, encoding.cls, encoding.sep)
    counts, words = read.counts, Words()
    lowest: int | None = None
    splits: tuple[Split, ...] = ("train", "validation")
    with ExitStack() as stack:
        writers = {
            split: stack.enter_context(
                ShardWriter(
                    settings.output / f"{split}-{slice_name(index, number)}.npy",
                    split,
                    sequence_length=options.sequence_length,
                    dtype=encoding.dtype,
                    begins_word=encoding.begins_word,
                    pad_id=encoding.pad,
                )
            )
            for split in splits
        }
        packers = {split: make_packer(options.packing, frame, options.seed) for split in splits}
        for document, lines in encoded(documents, encoding.encoder, counts, words):
            if not any(lines):
                continue
            digest = blake2b("\n".join(document).encode("utf-8"), digest_size=HASH_BITS // 8)
            value = int.from_bytes(digest.digest(), "big")
            lowest = value if lowest is None else min(lowest, value)
            split = splits[value < settings.held_out_below]
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
        number=number,
        held_out_below=f"{settings.held_out_below:x}",
        lowest_hash=None if lowest is None else f"{lowest:032x}",
        counts=counts,
        unknown_words=most_frequent(words.unknown),
        marked_words=most_frequent(words.marked),
        left_out=read.left_out,
        shards=shards,
    )
    write_record(settings.output, record)
    return record
