"""What a prepared folder holds, counted from its rows.

Shapes: N rows of a part of a shard, L ids a row and W integers of word
starts, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

import numpy as np
import numpy.typing as npt

from electra_cli.corpus.shards.held_out import HeldOutTokens
from electra_cli.corpus.shards.manifest import Manifest, mismatch
from electra_cli.corpus.shards.rows import Split, ids_of, input_mask, word_starts_of
from electra_cli.corpus.shards.verify import IDS_AT_ONCE, ShardError, checked_rows
from electra_cli.errors import DataError

_HASH_BYTES = 16


@dataclass(frozen=True)
class Figures:
    """What the rows of both splits hold.

    Attributes:
      examples: Rows to train on.
      validation_examples: Rows held out.
      tokens: Positions that hold a token, [CLS] and [SEP] included.
      padding: Positions that hold none.
      word_pieces: Tokens without [CLS] and [SEP].
      unknown_tokens: Those of them that are [UNK].
      words: Word pieces that begin a word; punctuation is a word.
      lengths: Rows with 0, 1, … L tokens, L + 1 numbers.
      duplicates: Training rows that repeat another one: rows less different rows.
      validation_in_train: Held-out rows that are training rows as well.
      baselines: Of the held-out tokens.
    """

    examples: int
    validation_examples: int
    tokens: int
    padding: int
    word_pieces: int
    unknown_tokens: int
    words: int
    lengths: list[int]
    duplicates: int
    validation_in_train: int
    baselines: HeldOutTokens | None

    @property
    def padding_share(self) -> float:
        """Padding as a share of all positions."""
        return self.padding / max(1, self.tokens + self.padding)

    @property
    def unknown_rate(self) -> float:
        """[UNK] as a share of the word pieces."""
        return self.unknown_tokens / max(1, self.word_pieces)

    @property
    def tokens_a_word(self) -> float:
        """Word pieces a word."""
        return self.word_pieces / max(1, self.words)


def inspect_data(
    manifest: Manifest,
    *,
    on_progress: Callable[[int], None] = lambda done: None,
    ids_at_once: int = IDS_AT_ONCE,
) -> Figures:
    """Counts what the rows of a prepared folder hold; needs 16 bytes of memory a row.

    Rows are the same if their 128-bit hashes are.

    Args:
      manifest: From `load_manifest`.
      on_progress: Receives the number of rows done.
      ids_at_once: How many are looked at together.

    Raises:
      DataError: A shard is not what the manifest says.
    """
    lengths = np.zeros(manifest.sequence_length + 1, np.int64)  # [L+1]
    special = manifest.special_ids
    done = words = 0

    def read(split: Split) -> tuple[npt.NDArray[np.bytes_], npt.NDArray[np.int64]]:
        """Counts the rows of a split; returns their hashes, [rows], and frequencies of ids, [V]."""
        nonlocal lengths, done, words
        rows = sum(shard.rows for shard in manifest.shards_of(split))
        hashes, filled = np.empty(rows, f"S{_HASH_BYTES}"), 0
        frequencies = np.zeros(manifest.vocab.size, np.int64)  # [V]
        for part in _rows(manifest, split, ids_at_once):  # [N, L + W]
            ids = ids_of(part, manifest.sequence_length)  # [N, L]
            words += int(word_starts_of(part, manifest.sequence_length).sum())
            tokens = input_mask(ids, special.pad).sum(axis=1)  # [N]
            lengths += np.bincount(tokens, minlength=len(lengths))
            frequencies += np.bincount(ids.ravel(), minlength=len(frequencies))
            hashes[filled : filled + len(ids)] = row_hashes(ids)
            filled += len(ids)
            done += len(ids)
            on_progress(done)
        return hashes, frequencies

    try:
        (train, trained), (validation, held_out) = read("train"), read("validation")
    except ShardError as fault:
        raise mismatch(manifest, [str(fault)]) from fault
    frequencies = trained + held_out  # [V]
    train.sort()
    found = np.searchsorted(train, validation, "right") > np.searchsorted(train, validation, "left")
    tokens = int(frequencies.sum() - frequencies[special.pad])
    word_pieces = tokens - int(frequencies[[special.cls, special.sep]].sum())
    return Figures(
        examples=len(train),
        validation_examples=len(validation),
        tokens=tokens,
        padding=int(frequencies[special.pad]),
        word_pieces=word_pieces,
        unknown_tokens=0 if special.unk is None else int(frequencies[special.unk]),
        words=words,
        lengths=lengths.tolist(),
        duplicates=int((train[1:] == train[:-1]).sum()),
        validation_in_train=int(found.sum()),
        baselines=HeldOutTokens.of(held_out, special),
    )


def with_baselines(manifest: Manifest) -> Manifest:
    """The manifest, which is not written yet, with the figures of its held-out tokens.

    Only their rows are read.

    Raises:
      DataError: One of their shards is not what was written.
    """
    frequencies = np.zeros(manifest.vocab.size, np.int64)  # [V]
    try:
        for rows in _rows(manifest, "validation"):  # [N, L + W]
            ids = ids_of(rows, manifest.sequence_length)  # [N, L]
            frequencies += np.bincount(ids.ravel(), minlength=len(frequencies))
    except ShardError as fault:
        raise DataError(
            f"{manifest.folder} is damaged: {fault}",
            hint="delete this file and run the same command again: it is written again",
        ) from fault
    baselines = HeldOutTokens.of(frequencies, manifest.special_ids)
    return manifest.model_copy(update={"baselines": baselines})


def _rows(
    manifest: Manifest, split: Split, at_once: int = IDS_AT_ONCE
) -> Iterator[npt.NDArray[Any]]:
    """The rows of a split, part by part, [N, L + W] each; an error names the file."""
    for shard in manifest.shards_of(split):
        try:
            yield from checked_rows(manifest, shard, at_once)
        except ShardError as fault:
            raise ShardError(f"{shard.file} {fault}") from fault


def row_hashes(ids: npt.NDArray[Any]) -> npt.NDArray[np.bytes_]:
    """128-bit hashes of rows.

    Args:
      ids: [N, L], each row contiguous.

    Returns:
      [N] of 16 bytes each, which sort and compare as bytes do.
    """
    digests = (blake2b(row, digest_size=_HASH_BYTES).digest() for row in ids)
    return np.frombuffer(b"".join(digests), f"S{_HASH_BYTES}")
