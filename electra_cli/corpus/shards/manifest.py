"""The manifest of a prepared folder: written last, read by everything that trains on it."""

from __future__ import annotations

import hashlib
import json
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import (
    Field,
    PrivateAttr,
    SerializerFunctionWrapHandler,
    ValidationError,
    model_serializer,
    model_validator,
)

from electra_cli.config.values import first_fault
from electra_cli.corpus.shards.counts import Counts
from electra_cli.corpus.shards.held_out import HeldOutTokens
from electra_cli.corpus.shards.kinds import Packing
from electra_cli.corpus.shards.not_prepared import copy_of_run, not_prepared
from electra_cli.corpus.shards.rows import DType, Shard, Split
from electra_cli.corpus.wordpiece.identity import (
    Identity,
    Kind,
    TokenizerOptions,
    tokenizer_sha256,
)
from electra_cli.corpus.wordpiece.vocabulary import SpecialIds
from electra_cli.errors import DataError, counted, listed
from electra_cli.files.atomic import atomic_write_text
from electra_cli.files.layout import MANIFEST_FILE, SOURCE_FILE
from electra_cli.files.record import Record

if TYPE_CHECKING:
    from electra_cli.corpus.subword.open import TextIds

MANIFEST_FORMAT_VERSION = 2


class VocabularyFile(Record):
    """The vocabulary.

    Attributes:
      file: Its file in the folder: vocab.txt, or the tokenizer.json of another tokenizer.
      size: Its number of tokens, which is the number of rows of the word table.
      sha256: Hash of the file.
      kind: How it makes tokens of words.
    """

    file: str
    size: int
    sha256: str
    kind: Kind = "wordpiece"

    @model_serializer(mode="wrap")
    def _without_the_usual_kind(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Older manifests name none, and those of the same data stay as they were."""
        return {k: v for k, v in handler(self).items() if (k, v) != ("kind", "wordpiece")}


class Manifest(Record):
    """What a prepared folder holds; nothing in it depends on when or where it was made.

    Attributes:
      format_version: Of this file and of the shards.
      sequence_length: Ids a row.
      dtype: Type of an id.
      vocab: The vocabulary.
      tokenizer: Its options; None of a tokenizer.json, which has rules of its own.
      tokenizer_sha256: Its fingerprint; computed where an older electra wrote the file.
      special_ids: Ids of the special tokens in it.
      packing: How examples were made.
      seed: Of the packing.
      validation_fraction: Share of documents that was asked to be held out.
      counts: Figures over all slices.
      baselines: Figures of the held-out tokens; None where an older electra wrote the file.
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
    tokenizer: TokenizerOptions | None
    tokenizer_sha256: str = ""
    special_ids: SpecialIds
    packing: Packing
    seed: int
    validation_fraction: float
    counts: Counts
    baselines: HeldOutTokens | None = None
    unknown_words: dict[str, int]
    marked_words: dict[str, int] = Field(default_factory=dict)
    left_out: list[str] = Field(default_factory=list)
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
        """The tokenizer as it is compared with others.

        Files of the library may differ that give the same ids, so that they are compared by rules.
        """
        if self.tokenizer is None and self.vocab_path.is_file():
            from electra_cli.corpus.subword.tokenizer_file import TokenizerFile

            file = TokenizerFile(self.vocab_path, special=self.special_ids, rows=self.vocab.size)
            return file.identity
        return Identity(self.vocab.size, self.vocab.sha256, self.tokenizer, self.vocab.kind)

    @property
    def padding_share(self) -> float:
        """Padding a position of all rows."""
        rows = self.examples + self.validation_examples
        return self.counts.padding / (rows * self.sequence_length)

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

    def text_ids(self) -> TextIds:
        """What made ids of the texts.

        Raises:
          InputMissingError: Its file is not there.
          DataError: It is damaged.
        """
        from electra_cli.corpus.subword.open import open_tokenizer  # slow, and few ask

        return open_tokenizer(
            self.vocab_path, self.tokenizer, special=self.special_ids, rows=self.vocab.size
        )

    def shards_of(self, split: Split) -> list[Shard]:
        """The shards of one split, in order."""
        return [shard for shard in self.shards if shard.split == split]

    def paths_of(self, split: Split) -> list[Path]:
        """Their paths."""
        return [self._folder / shard.file for shard in self.shards_of(split)]


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
        data = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        raise not_prepared(folder) from None
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error}", hint=_PREPARE) from error
    return parse_manifest(path, data, folder)


def parse_manifest(path: Path | str, data: bytes, folder: Path) -> Manifest:
    """The manifest in the bytes of a file.

    Args:
      path: Where they come from, for errors.
      data: The bytes.
      folder: Where what it lists lies, or will.

    Raises:
      DataError: It is damaged, or a newer version wrote it.
    """
    try:
        content = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path} cannot be read: {error}", hint=_PREPARE) from error
    version = content.get("format_version") if isinstance(content, dict) else None
    if isinstance(version, int) and version != MANIFEST_FORMAT_VERSION:
        newer = version > MANIFEST_FORMAT_VERSION
        raise DataError(
            f"{path} has format version {version}; this electra reads {MANIFEST_FORMAT_VERSION}",
            hint=f"{'install a newer electra, or ' if newer else ''}prepare the data again",
        )
    try:
        manifest = Manifest.model_validate(content)
    except ValidationError as error:
        raise DataError(f"{path} is damaged: {first_fault(error)}", hint=_PREPARE) from error
    manifest._folder = folder
    return manifest


def file_faults(manifest: Manifest, *, of_shards: bool = True) -> list[str]:
    """What is wrong with the files of a prepared folder, by size alone but for the vocabulary.

    Args:
      manifest: Of the folder.
      of_shards: Look at the shards too, and not at the vocabulary alone.
    """
    faults = []
    for shard in manifest.shards if of_shards else ():
        path = manifest.folder / shard.file
        if not path.is_file():
            faults.append(f"{shard.file} is missing")
        elif path.stat().st_size != shard.bytes:
            there = counted(path.stat().st_size, "byte")
            faults.append(f"{shard.file} has {there}, not {shard.bytes:,}")
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
    if (manifest.folder / SOURCE_FILE).is_file():
        return DataError(
            f"{manifest.folder} does not match its manifest: {listed(faults, separator='; ')}",
            hint=f"it is a copy: rm -r {shlex.quote(str(manifest.folder))}, and run the same "
            "command with --data URL, which copies it again",
        )
    # prepare-data does again what is missing, and takes what is there for good.
    return DataError(
        f"{manifest.folder} does not match its manifest: {listed(faults, separator='; ')}",
        hint=f"`electra debug data {manifest.folder} --verify` names every fault; delete these "
        f"files and {MANIFEST_FILE} and run the same `electra prepare-data INPUT --output "
        f"{manifest.folder}` again",
    )


_PREPARE = "make it with `electra prepare-data INPUT --output DIR`"
