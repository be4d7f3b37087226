"""The manifest of a prepared folder: written last, read by everything that trains on it."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, PrivateAttr, ValidationError, model_validator

from electra_cli.config.values import in_words
from electra_cli.corpus.atomic import atomic_write_text
from electra_cli.corpus.faults import MOST_NAMED, MOST_UNREADABLE
from electra_cli.corpus.identity import Identity, TokenizerOptions, tokenizer_sha256
from electra_cli.corpus.not_prepared import copy_of_run, not_prepared
from electra_cli.corpus.output import MANIFEST_FILE
from electra_cli.corpus.packing import Packing
from electra_cli.corpus.plan import Plan
from electra_cli.corpus.shards import DType, Shard, Split, ids_dtype
from electra_cli.corpus.slices import Counts, SliceRecord, SliceSettings, most_frequent
from electra_cli.corpus.vocabulary import SpecialIds, load_vocabulary, special_ids
from electra_cli.errors import DataError

MANIFEST_FORMAT_VERSION = 2


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class VocabularyFile(_Frozen):
    """The vocabulary: its file in the folder, its number of tokens and the hash of the file."""

    file: str
    size: int
    sha256: str


class Manifest(_Frozen):
    """What a prepared folder holds; nothing in it depends on when or where it was made.

    Attributes:
      format_version: Of this file and of the shards.
      sequence_length: Ids a row.
      dtype: Type of an id.
      vocab: The vocabulary.
      tokenizer: Its options.
      tokenizer_sha256: Its fingerprint; computed where an older electra wrote the file.
      special_ids: Ids of the special tokens in it.
      packing: How examples were made.
      seed: Of the packing.
      validation_fraction: Share of documents that was asked to be held out.
      counts: Figures over all slices.
      unknown_words: The most frequent words with an [UNK], counted in each slice among its own
        most frequent ones.
      marked_words: The same of words with marks, at the beginning of each slice.
      left_out: Names of the first inputs that turned out to be unreadable or damaged when they
        were read.
      examples: Rows to train on.
      validation_examples: Rows held out.
      shards: All files, by split and slice.
    """

    format_version: int = MANIFEST_FORMAT_VERSION
    sequence_length: int
    dtype: DType
    vocab: VocabularyFile
    tokenizer: TokenizerOptions
    tokenizer_sha256: str = ""
    special_ids: SpecialIds
    packing: Packing
    seed: int
    validation_fraction: float
    counts: Counts
    unknown_words: dict[str, int]
    marked_words: dict[str, int] = {}
    left_out: list[str] = []
    examples: int
    validation_examples: int
    shards: list[Shard]

    _folder: Path = PrivateAttr(default=Path())

    @model_validator(mode="after")
    def _has_its_fingerprint(self) -> Manifest:
        expected = tokenizer_sha256(self.vocab.sha256, self.tokenizer)
        if self.tokenizer_sha256 not in ("", expected):
            raise ValueError("tokenizer_sha256 is not that of vocab and tokenizer: one was changed")
        object.__setattr__(self, "tokenizer_sha256", expected)  # it is frozen from here on
        return self

    @property
    def identity(self) -> Identity:
        """The tokenizer as it is compared with others."""
        return Identity(self.vocab.size, self.vocab.sha256, self.tokenizer)

    def has_same_rows_as(self, other: Manifest) -> bool:
        """Whether training sees no difference; how they came about, other programs may count."""
        return (self.shards, self.identity) == (other.shards, other.identity)

    @property
    def folder(self) -> Path:
        """The folder it was loaded from."""
        return self._folder

    @property
    def vocab_path(self) -> Path:
        """The vocabulary's file."""
        return self._folder / self.vocab.file

    def shards_of(self, split: Split) -> list[Shard]:
        """The shards of one split, in order."""
        return [shard for shard in self.shards if shard.split == split]

    def paths_of(self, split: Split) -> list[Path]:
        """Their paths."""
        return [self._folder / shard.file for shard in self.shards_of(split)]


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


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Writes the manifest, which makes the folder a prepared one."""
    atomic_write_text(folder / MANIFEST_FILE, manifest.model_dump_json(indent=1) + "\n")


def load_manifest(folder: Path) -> Manifest:
    """Loads the manifest of a prepared folder, and checks that its files are there.

    Raises:
      InputMissingError: There is no such folder.
      DataError: It is no prepared folder, was made by a newer version, or a file is missing,
        has another size or, the vocabulary, another content.
    """
    manifest = read_manifest(folder)
    if faults := file_faults(manifest):
        raise copy_of_run(folder) or mismatch(manifest, faults)
    return manifest


def read_manifest(folder: Path) -> Manifest:
    """Reads a manifest without looking at the shards: a run keeps a copy of its data's.

    Raises:
      InputMissingError: There is no such folder.
      DataError: There is no manifest, it is damaged, or a newer version wrote it.
    """
    path = folder / MANIFEST_FILE
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        raise not_prepared(folder) from None
    except (OSError, ValueError) as error:
        raise DataError(f"{path} cannot be read: {error}", hint=_PREPARE) from error
    manifest = _parse(path, content)
    manifest._folder = folder
    return manifest


def _parse(path: Path, content: Any) -> Manifest:
    version = content.get("format_version") if isinstance(content, dict) else None
    if isinstance(version, int) and version != MANIFEST_FORMAT_VERSION:
        newer = version > MANIFEST_FORMAT_VERSION
        raise DataError(
            f"{path} has format version {version}; this electra reads {MANIFEST_FORMAT_VERSION}",
            hint=f"{'install a newer electra, or ' if newer else ''}prepare the data again",
        )
    try:
        return Manifest.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the whole"
        raise DataError(f"{path} is damaged: {where}: {in_words(first)}", hint=_PREPARE) from error


def file_faults(manifest: Manifest) -> list[str]:
    """What is wrong with the files of a prepared folder, by size alone but for the vocabulary."""
    faults = []
    for shard in manifest.shards:
        path = manifest.folder / shard.file
        if not path.is_file():
            faults.append(f"{shard.file} is missing")
        elif path.stat().st_size != shard.bytes:
            faults.append(f"{shard.file} has {path.stat().st_size} bytes, not {shard.bytes}")
    if not manifest.vocab_path.is_file():
        faults.append(f"{manifest.vocab.file} is missing")
    elif hashlib.sha256(manifest.vocab_path.read_bytes()).hexdigest() != manifest.vocab.sha256:
        faults.append(f"{manifest.vocab.file} was changed")
    return faults


def mismatch(manifest: Manifest, faults: Sequence[str]) -> DataError:
    """The error for a folder that is not what its manifest says; it names the first three faults.

    Args:
      manifest: As read from the folder.
      faults: At least one, each beginning with the file's name.
    """
    more = f" and {len(faults) - 3} more" if faults[3:] else ""
    # prepare-data does again what is missing, and takes what is there for good.
    return DataError(
        f"{manifest.folder} does not match its manifest: {'; '.join(faults[:3])}{more}",
        hint=f"`electra debug data {manifest.folder} --verify` names every fault; delete these "
        f"files and {MANIFEST_FILE} and run the same `electra prepare-data INPUT --output "
        f"{manifest.folder}` again",
    )


_PREPARE = "make it with `electra prepare-data INPUT --output DIR`"
