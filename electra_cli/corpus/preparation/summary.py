"""The manifest of a preparation, summed up from the records of its slices."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from electra_cli.corpus.preparation.plan import Plan
from electra_cli.corpus.preparation.slices import SliceRecord, SliceSettings
from electra_cli.corpus.reading.faults import MOST_NAMED, MOST_UNREADABLE
from electra_cli.corpus.shards.counts import Counts, most_frequent
from electra_cli.corpus.shards.manifest import Manifest, VocabularyFile
from electra_cli.corpus.shards.rows import Shard, Split, ids_dtype
from electra_cli.corpus.wordpiece.identity import TokenizerOptions
from electra_cli.corpus.wordpiece.vocabulary import load_vocabulary, special_ids
from electra_cli.errors import DataError


def summed_up(
    records: Sequence[SliceRecord],
    settings: SliceSettings,
    validation_fraction: float,
    plan: Plan,
) -> Manifest:
    """The manifest of all slices.

    Args:
      records: Of all slices, in order.
      settings: What they were prepared with.
      validation_fraction: Share of documents that was asked to be held out.
      plan: Of the slices; says which files are in none.

    Raises:
      DataError: There is nothing to train on, or no reader knows too many files.
    """
    left_out = plan.left_out
    tokens = load_vocabulary(settings.vocab_path, may_be_bare=True)
    counts = Counts(
        unreadable_files=len(left_out.unreadable),
        damaged_inputs=len(left_out.damaged),
        passed_over=dict(plan.passed_over.kinds),
        passed_over_bytes=plan.passed_over.bytes,
    )
    unknown_words: Counter[str] = Counter()
    marked_words: Counter[str] = Counter()
    for record in records:
        counts.add(record.counts)
        unknown_words.update(record.unknown_words)
        marked_words.update(record.marked_words)
    names = [name for record in records for name in record.left_out]
    _check_share(counts, plan.files, [*left_out.unreadable, *names])
    shards = [shard for record in records for shard in record.shards]
    rows = {split: _rows(shards, split) for split in ("train", "validation")}
    if not counts.documents:
        raise DataError(
            f"nothing to prepare: no document has a token ({_left_out(counts)})",
            hint="give an input with text; without --on-error skip the first bad line is named",
        )
    if not rows["train"] and counts.documents > 1 and validation_fraction > 0.5:
        raise DataError(
            f"nothing is left to train on: --validation-fraction {validation_fraction} holds out "
            f"all {counts.documents} documents",
            hint="lower it; 0.005 holds out one document in 200",
        )
    if not rows["train"]:
        raise DataError(
            f"only one document ({counts.documents} with copies): it is held out for validation "
            "and nothing is left to train on",
            hint="give more files, or leave --documents file out"
            if settings.read.documents == "file"
            else "give more documents; in .txt a blank line separates them",
        )
    manifest = Manifest(
        sequence_length=settings.sequence_length,
        dtype=ids_dtype(len(tokens)),
        vocab=VocabularyFile(
            file=settings.vocab_path.name, size=len(tokens), sha256=settings.vocab_sha256
        ),
        tokenizer=TokenizerOptions(
            lowercase=settings.lowercase, strip_accents=settings.strip_accents
        ),
        special_ids=special_ids(tokens),
        packing=settings.packing,
        seed=settings.seed,
        validation_fraction=validation_fraction,
        counts=counts,
        unknown_words=most_frequent(unknown_words),
        marked_words=most_frequent(marked_words),
        left_out=names[:MOST_NAMED],
        examples=rows["train"],
        validation_examples=rows["validation"],
        shards=sorted(shards, key=lambda shard: (shard.split, shard.file)),
    )
    manifest._folder = settings.vocab_path.parent
    return manifest


def _rows(shards: Sequence[Shard], split: Split) -> int:
    return sum(shard.rows for shard in shards if shard.split == split)


def _check_share(counts: Counts, files: int, names: list[str]) -> None:
    """Makes sure, as the plan does, that few files are unreadable; some are not before reading.

    Members of archives are not files: each archive has looked at its own.

    Raises:
      DataError: They are more than 5%.
    """
    count = counts.unreadable_files - counts.unreadable_members
    if count > MOST_UNREADABLE * files:
        raise DataError(
            f"no reader knows {count:,} of {files:,} files in the input, and --on-error skip "
            f"leaves out at most {MOST_UNREADABLE:.0%}; the first that were left out or read in "
            f"part: {', '.join(names[:MOST_NAMED])}",
            hint="leave such files out of the input; without --on-error skip the command ends at "
            "the first and says what is wrong with it",
        )


def _left_out(counts: Counts) -> str:
    """Why documents are not there, in words."""
    skipped = counts.bad_json_lines + counts.bad_rows + counts.invalid_utf8 + counts.too_long
    cleaned = counts.short_documents + counts.replacement_documents + counts.control_documents
    parts = [f"{counts.empty_documents} empty", f"{skipped} skipped"]
    if counts.unreadable_files or counts.damaged_inputs:
        parts.append(f"{counts.unreadable_files} files unreadable, {counts.damaged_inputs} damaged")
    if cleaned:
        parts.append(f"{cleaned} left out by cleaning")
    return ", ".join(parts)
