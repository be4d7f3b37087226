"""Documents out of the parts of input files, whatever their format."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import BinaryIO, Literal

from electra_cli.corpus.reading.cleaning import Cleaning, pieces
from electra_cli.corpus.reading.containers.archives import (
    Member,
    Skipped,
    member_label,
    tar_members,
    zip_members,
)
from electra_cli.corpus.reading.containers.compression import seekable, uncompressed
from electra_cli.corpus.reading.containers.warc import warc_texts
from electra_cli.corpus.reading.extracted import extracted_texts
from electra_cli.corpus.reading.faults import (
    MOST_NAMED,
    DamagedError,
    Document,
    Fault,
    UnreadableError,
)
from electra_cli.corpus.reading.formats import HEAD_BYTES, detect_format, detect_unnamed
from electra_cli.corpus.reading.input_file import InputFile
from electra_cli.corpus.reading.naming import Format, FormatOption
from electra_cli.corpus.reading.tables.columns import arrow_texts, parquet_row_groups, parquet_texts
from electra_cli.corpus.reading.tables.separators import TableLayout
from electra_cli.corpus.reading.tables.table_lines import TableLines
from electra_cli.corpus.reading.tables.tabular import csv_documents, table_documents
from electra_cli.corpus.reading.texts import Documents, Lines, json_documents, text_documents
from electra_cli.corpus.shards.counts import Counts, add_kinds
from electra_cli.errors import InputMissingError
from electra_cli.files.redaction import redacted

OnError = Literal["fail", "skip"]


@dataclass(frozen=True)
class Part:
    """A range of a file that begins and ends between documents.

    Attributes:
      file: The file.
      start: First byte, or of Parquet the first row group.
      end: Byte or row group after the last; of a file that cannot be cut, its size on disk.
      disk_bytes: Bytes on disk, which progress is measured in.
    """

    file: InputFile
    start: int
    end: int
    disk_bytes: int


@dataclass(frozen=True)
class ReadOptions:
    """How to read.

    Attributes:
      text_field: The field of a JSON line or the column that holds the text.
      format: Of every file, or `auto`.
      on_error: Whether a bad line, row or document ends the reading or is counted and skipped.
      cleaning: What is done to the documents.
      layout: What is known of tables in text.
      documents: What ends a document of plain text; Markdown is always one a file.
    """

    text_field: str
    format: FormatOption
    on_error: OnError
    cleaning: Cleaning = field(default_factory=Cleaning)
    layout: TableLayout = field(default_factory=TableLayout)
    documents: Documents = "blank-line"

    @property
    def longest_line(self) -> int:
        """Bytes that a line, row or cell may have, which has to be read as a whole."""
        return 4 * self.cleaning.max_document_bytes


@dataclass
class ReadSoFar:
    """What a reader has met; it is brought up to date while reading.

    Attributes:
      counts: Figures of the corpus.
      left_out: Names of the first files and members that are unreadable or damaged.
      disk_bytes: Bytes read on disk, which progress is measured in.
    """

    counts: Counts = field(default_factory=Counts)
    left_out: list[str] = field(default_factory=list)
    disk_bytes: int = 0

    def since(self, before: ReadSoFar) -> ReadSoFar:
        """What was met since an earlier copy of this was made."""
        return ReadSoFar(
            self.counts.since(before.counts),
            self.left_out[len(before.left_out) :],
            self.disk_bytes - before.disk_bytes,
        )

    def leave_out(
        self, name: str, error: UnreadableError | DamagedError, *, is_member: bool
    ) -> None:
        """Counts and names a file or member that cannot be read, or not to its end."""
        if isinstance(error, UnreadableError):
            self.counts.unreadable_files += 1
            self.counts.unreadable_members += is_member
        else:
            self.counts.damaged_inputs += 1
        if len(self.left_out) < MOST_NAMED:
            self.left_out.append(redacted(name))  # it is recorded


def read_documents(part: Part, *, options: ReadOptions, read: ReadSoFar) -> Iterator[Document]:
    """Reads and cleans the documents of one part in order.

    Args:
      part: What to read.
      options: How.
      read: What was met, up to date whenever a document is handed out.

    Raises:
      DataError: Bad input under `fail`, or a damaged file.
      InputMissingError: The file is gone or cannot be opened.
    """
    counts, before = read.counts, read.disk_bytes
    counts.files += not part.start and part.file.format not in ("tar", "zip")
    until = part.end if part.file.splits_at_bytes else None
    with open_input(part.file, until) as raw, _damage_counted(part.file.name, options, read):
        for label, item in _items(part, raw, options, read):
            if not part.file.splits_at_row_groups:  # there the position means nothing
                done = min(raw.tell() - part.file.splits_at_bytes * part.start, part.disk_bytes)
                read.disk_bytes = max(read.disk_bytes, before + done)
            if isinstance(item, Fault):
                if options.on_error == "fail":
                    raise item.as_error(label, _numbers_before(part, options))
                counts.bad_json_lines += item.kind == "json"
                counts.bad_rows += item.kind == "row"
                counts.invalid_utf8 += item.kind == "utf8"
                counts.too_long += item.kind == "size"
            elif item:
                yield from _cleaned(item, options.cleaning, counts)
    read.disk_bytes = before + part.disk_bytes


@contextmanager
def _damage_counted(
    name: str, options: ReadOptions, read: ReadSoFar, *, is_member: bool = False
) -> Iterator[None]:
    """Ends what is within without an error under `skip`, if it cannot be read any further.

    Args:
      name: What is read, the same wherever the corpus lies.
      options: Say whether it is an error.
      read: Counts and names it.
      is_member: Whether it is in an archive.
    """
    try:
        yield
    except (UnreadableError, DamagedError) as error:
        if options.on_error == "fail":
            raise
        read.leave_out(name, error, is_member=is_member)


def _cleaned(document: Iterable[str], cleaning: Cleaning, counts: Counts) -> Iterator[Document]:
    for number, piece in enumerate(pieces(document, cleaning.max_document_bytes)):
        counts.cut_documents += number > 0
        cleaned = cleaning.apply(piece, counts)
        if cleaned:
            yield cleaned


@contextmanager
def open_input(file: InputFile, until: int | None = None) -> Iterator[io.BufferedReader]:
    """The bytes of an input as they are.

    Args:
      file: The input.
      until: Where reading is going to end, if it is not at its end.

    Raises:
      InputMissingError: It is gone or cannot be opened.
      DataError: It has another content than when it was planned with.
    """
    try:
        raw: io.BufferedReader = io.BufferedReader(file.opened(until), HEAD_BYTES)
    except (FileNotFoundError, PermissionError) as error:
        raise InputMissingError(
            f"input cannot be opened: {file.label} ({error.strerror})"
        ) from error
    with raw:
        yield raw


def _items(
    part: Part, raw: io.BufferedReader, options: ReadOptions, read: ReadSoFar
) -> Iterator[tuple[str, Iterable[str] | Fault]]:
    """Documents and faults, each with what errors call its origin."""
    file, counts = part.file, read.counts
    if file.splits_at_bytes:
        raw.seek(part.start)
        limit = part.end - part.start
        for item in _of_lines(raw, file.format, options, counts, not part.start, limit):
            yield file.label, item
        return
    if file.splits_at_row_groups:
        groups, before = range(part.start, part.end), read.disk_bytes

        def on_share(share: float) -> None:
            read.disk_bytes = before + int(share * part.disk_bytes)

        texts = parquet_texts(raw, file.label, options.text_field, groups, on_share=on_share)
        for size, item in table_documents(texts, options.text_field, options.longest_line):
            counts.input_bytes += size
            yield file.label, item
        return
    content = uncompressed(raw, file.label)
    if file.format in ("tar", "zip"):
        yield from _of_archive(content, file, options, read)
    else:
        for item in _of_stream(content, file.format, file.label, options, counts):
            yield file.label, item


def _of_archive(
    content: io.BufferedReader,
    file: InputFile,
    options: ReadOptions,
    read: ReadSoFar,
) -> Iterator[tuple[str, Iterable[str] | Fault]]:
    """Documents and faults of all members, each with what errors call the member."""
    counts = read.counts
    skipped = Skipped()
    try:
        for member in _members(content, file, options, skipped):
            name = member_label(file.name, member.name)
            with _damage_counted(name, options, read, is_member=True):
                inner = uncompressed(member.stream, member.label)
                format_ = _member_format(inner, member, options)
                if format_ is None:
                    skipped.give_back(member)
                    continue
                for item in _of_stream(inner, format_, member.label, options, counts):
                    yield member.label, item
    finally:
        counts.files += skipped.texts
        counts.passed_over_members += skipped.passed_over.count
        counts.passed_over_bytes += skipped.passed_over.bytes
        add_kinds(counts.passed_over, skipped.passed_over.kinds)


def _members(
    content: io.BufferedReader, file: InputFile, options: ReadOptions, skipped: Skipped
) -> Iterator[Member]:
    if file.format == "tar":
        yield from tar_members(content, file.label, options.format, skipped)
        return
    with seekable(content) as stream:
        yield from zip_members(stream, file.label, options.format, skipped)


def _member_format(
    content: io.BufferedReader, member: Member, options: ReadOptions
) -> Format | None:
    """The format of a member; None if it turns out to be no text, and its name says nothing."""
    head = content.peek(HEAD_BYTES)[:HEAD_BYTES]
    if member.taken == "by content":
        found = detect_unnamed(head, member.name, member.label, options.text_field)
        return None if found in ("tar", "zip") else found
    format_ = detect_format(head, member.name, member.label, options.format, options.text_field)
    if format_ in ("tar", "zip"):
        raise UnreadableError(
            f"{member.label} is an archive within an archive, which is not read",
            hint="unpack the outer one yourself and give the inner ones",
        )
    return format_


def _of_stream(
    stream: io.BufferedReader,
    format_: Format,
    label: str,
    options: ReadOptions,
    counts: Counts,
) -> Iterator[Iterable[str] | Fault]:
    """Documents of a stream that is read from its beginning to its end."""
    if format_ in ("csv", "tsv"):
        usual = "," if format_ == "csv" else "\t"
        rows = TableLines(stream, options.longest_line)
        begin = counts.input_bytes
        for item in csv_documents(
            rows, label, options.text_field, usual=usual, layout=options.layout
        ):
            counts.input_bytes = begin + rows.bytes
            yield item
        counts.input_bytes = begin + rows.bytes
    elif format_ in ("parquet", "arrow"):
        if not stream.peek(1):
            return  # an empty file in an archive
        with seekable(stream, is_mapped=format_ == "arrow") as table:
            if format_ == "parquet":
                texts = parquet_texts(table, label, options.text_field, None)
            else:
                texts = arrow_texts(table, label, options.text_field)
            for size, item in table_documents(texts, options.text_field, options.longest_line):
                counts.input_bytes += size
                yield item
    elif format_ in ("warc", "doc"):
        texts_of = warc_texts if format_ == "warc" else extracted_texts
        for number, text in enumerate(texts_of(stream, label), start=1):
            for item in _of_lines(text, "md", options, counts):
                if isinstance(item, Fault):
                    item = replace(item, number=number, unit="record")
                yield item
    else:
        yield from _of_lines(stream, format_, options, counts)


def _of_lines(
    stream: BinaryIO,
    format_: Format,
    options: ReadOptions,
    counts: Counts,
    at_beginning: bool = True,
    limit: int | None = None,
) -> Iterator[Iterable[str] | Fault]:
    """Documents of text or JSON lines; of a stream within a file as many bytes as the limit."""
    is_text = format_ != "jsonl"
    longest = options.cleaning.max_document_bytes if is_text else options.longest_line
    lines = Lines(stream, at_beginning=at_beginning, limit=limit, longest=longest, cuts=is_text)

    def count_cut() -> None:
        counts.cut_documents += 1

    items: Iterator[Iterable[str] | Fault] = (
        json_documents(lines, options.text_field)
        if format_ == "jsonl"
        else text_documents(
            lines,
            whole=format_ == "md" or options.documents == "file",
            largest=options.cleaning.max_document_bytes,
            on_cut=count_cut,
        )
    )
    for item in items:
        counts.input_bytes += lines.take_consumed()
        yield item
    counts.input_bytes += lines.take_consumed()


def _numbers_before(part: Part, options: ReadOptions) -> int:
    """Lines or rows of the file before the part; only for an error is it worth counting them."""
    if not part.start:
        return 0
    with open_input(part.file) as raw:
        if part.file.splits_at_row_groups:
            groups = parquet_row_groups(raw, part.file.label, options.text_field)
            return sum(rows for rows, _ in groups[: part.start])
        lines = Lines(raw, at_beginning=True, limit=part.start, longest=2**16)
        return sum(1 for _ in lines)
