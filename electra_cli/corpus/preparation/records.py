"""Records of finished slices, and the manifest that they sum up to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import Field

from electra_cli.corpus.preparation.options import SliceSettings
from electra_cli.corpus.preparation.plan import Plan, Slice
from electra_cli.corpus.reading.faults import MOST_NAMED, MOST_UNREADABLE
from electra_cli.corpus.shards.counts import Counts, add_words, most_frequent
from electra_cli.corpus.shards.manifest import Manifest
from electra_cli.corpus.shards.rows import Shard, Split, ids_dtype
from electra_cli.corpus.step import names_in
from electra_cli.errors import DataError, counted
from electra_cli.files.atomic import atomic_write_text
from electra_cli.files.layout import RECORDS_FOLDER, record_path
from electra_cli.files.record import Record

RECORD_FORMAT_VERSION = 4


class SliceRecord(Record):
    """A finished slice; stored beside the shards, after them.

    Attributes:
      format_version: Of this record.
      index: Which slice of the plan.
      number: Which slice of a stream, if it is one (`slices.py`).
      held_out_below: Documents whose hash is below this are held out; hexadecimal.
      lowest_hash: Lowest hash among documents that made an example; hexadecimal, or None.
      counts: What was met.
      unknown_words: The most frequent white-space words with an [UNK], and how often they came.
      marked_words: The same of words with marks, at its beginning.
      left_out: Names of the first inputs that are unreadable or damaged; none depends on where
        the corpus lies.
      shards: At most one for each split, and of a stream for each slice of it; none for a split
        without rows.
    """

    format_version: int = RECORD_FORMAT_VERSION
    index: int
    number: int | None = None
    held_out_below: str
    lowest_hash: str | None
    counts: Counts
    unknown_words: dict[str, int]
    marked_words: dict[str, int] = Field(default_factory=dict)
    left_out: list[str] = Field(default_factory=list)
    shards: list[Shard]

    def is_same_below(self, held_out_below: int) -> bool:
        """Whether it would come out the same if documents were held out below another hash."""
        if self.held_out_below == f"{held_out_below:x}":
            return True
        would_be = self.lowest_hash is not None and int(self.lowest_hash, 16) < held_out_below
        return not self.counts.validation_documents and not would_be


def write_record(output: Path, record: SliceRecord) -> None:
    """Writes a record; its shards are there.

    Raises:
      OSError: It cannot be written.
    """
    path = record_path(output, record.index, record.number)
    atomic_write_text(path, record.model_dump_json(indent=1) + "\n")


def finished_record(output: Path, index: int, number: int | None = None) -> SliceRecord | None:
    """The record of a slice whose shards are all there, or None if it has to be prepared.

    Args:
      output: The prepared folder.
      index: Which slice of the plan.
      number: Which slice of the stream that it is, or None for the whole.
    """
    try:
        text = record_path(output, index, number).read_text(encoding="utf-8")
        record = SliceRecord.model_validate_json(text)
        sizes = [(output / shard.file).stat().st_size for shard in record.shards]
    except (OSError, ValueError):
        return None
    complete = sizes == [shard.bytes for shard in record.shards]
    found = (record.format_version, record.index, record.number)
    return record if complete and found == (RECORD_FORMAT_VERSION, index, number) else None


def unfinished(output: Path, slices: Iterable[Slice]) -> list[Slice]:
    """The slices that have to be prepared; only records that are there are opened."""
    there = names_in(output / RECORDS_FOLDER)
    return [
        slice_
        for slice_ in slices
        if record_path(output, slice_.index).name not in there
        or finished_record(output, slice_.index) is None
    ]


@dataclass
class Totals:
    """Figures of all slices, as their records are read: none is held.

    Attributes:
      counts: Their sums.
      unknown_words: Words with an [UNK].
      marked_words: Words with marks.
      left_out: Names of the first inputs that are unreadable or damaged.
      shards: All of them.
      lowest_hash: The lowest of all documents, hexadecimal; None without any.
    """

    counts: Counts = field(default_factory=Counts)
    unknown_words: Counter[str] = field(default_factory=Counter)
    marked_words: Counter[str] = field(default_factory=Counter)
    left_out: list[str] = field(default_factory=list)
    shards: list[Shard] = field(default_factory=list)
    lowest_hash: str | None = None

    def add(self, record: SliceRecord) -> None:
        """Adds a slice; they come in order."""
        self.counts.add(record.counts)
        add_words(self.unknown_words, record.unknown_words)
        add_words(self.marked_words, record.marked_words)
        self.left_out += record.left_out[: MOST_NAMED - len(self.left_out)]
        self.shards += record.shards
        hashes = (self.lowest_hash, record.lowest_hash)
        self.lowest_hash = min((h for h in hashes if h is not None), default=None)


def totals_of(plan: Plan) -> Totals:
    """What is known before a slice is read: the figures of files that are in none."""
    return Totals(
        Counts(
            unreadable_files=len(plan.left_out.unreadable),
            damaged_inputs=len(plan.left_out.damaged),
            passed_over=dict(plan.passed_over.kinds),
            passed_over_bytes=plan.passed_over.bytes,
        )
    )


def summed_up(totals: Totals, settings: SliceSettings, plan: Plan) -> Manifest:
    """The manifest of all slices.

    Args:
      totals: Of the plan and all its slices.
      settings: What they were prepared with.
      plan: Of the slices.

    Raises:
      DataError: There is nothing to train on, or no reader knows too many files.
    """
    counts, options, shards = totals.counts, settings.options, totals.shards
    _check_share(counts, plan.files, [*plan.left_out.unreadable, *totals.left_out])
    rows = {split: _rows(shards, split) for split in ("train", "validation")}
    if not counts.documents:
        raise DataError(
            f"nothing to prepare: no document has a token ({_left_out(counts)})",
            hint="give an input with text; without --on-error skip the first bad line is named",
        )
    if not rows["train"]:
        raise DataError(
            f"nothing is left to train on: --validation-fraction {options.validation_fraction}, "
            f"and at least one document, holds out all of {counts.documents:,}, copies included",
            hint="give more documents: in .txt a blank line separates them, with --documents file "
            "each file is one; or lower --validation-fraction: 0.005 holds out one in 200",
        )
    manifest = Manifest(
        sequence_length=options.sequence_length,
        dtype=ids_dtype(settings.vocab.size),
        vocab=settings.vocab,
        tokenizer=options.tokenizer,
        special_ids=settings.special,
        packing=options.packing,
        seed=options.seed,
        validation_fraction=options.validation_fraction,
        counts=counts,
        unknown_words=most_frequent(totals.unknown_words),
        marked_words=most_frequent(totals.marked_words),
        left_out=totals.left_out,
        examples=rows["train"],
        validation_examples=rows["validation"],
        shards=sorted(shards, key=lambda shard: (shard.split, shard.file)),
    )
    manifest._folder = settings.output
    return manifest


def _rows(shards: Sequence[Shard], split: Split) -> int:
    return sum(shard.rows for shard in shards if shard.split == split)


def _check_share(counts: Counts, files: int, names: list[str]) -> None:
    """Makes sure, as the plan does, that few files are unreadable; some are not before reading.

    Members of archives are files too, whose number is known only now.

    Raises:
      DataError: They are more than 5%.
    """
    count, files = counts.unreadable_files, max(files, counts.files)
    if count > MOST_UNREADABLE * files:
        raise DataError(
            f"no reader knows {count:,} of {counted(files, 'file')} in the input, and --on-error "
            f"skip leaves out at most {MOST_UNREADABLE:.0%}; the first that were left out or read "
            f"in part: {', '.join(names[:MOST_NAMED])}",
            hint="leave such files out of the input; without --on-error skip the command ends at "
            "the first and says what is wrong with it",
        )


def _left_out(counts: Counts) -> str:
    """Why documents are not there, in words."""
    skipped = counts.bad_json_lines + counts.bad_rows + counts.invalid_utf8 + counts.too_long
    cleaned = counts.short_documents + counts.replacement_documents + counts.control_documents
    return (
        f"{counts.empty_documents} empty, {skipped} skipped, {cleaned} left out by cleaning, "
        f"{counted(counts.unreadable_files, 'file')} unreadable, {counts.damaged_inputs} damaged"
    )
