"""Whether the files of a prepared folder are what its manifest says.

Shapes: N rows of a part of a shard, L ids a row and W integers of word starts.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from electra_cli.corpus.shards.manifest import Manifest, file_faults
from electra_cli.corpus.shards.rows import Shard, ids_of, load_shard, row_width, word_starts_of
from electra_cli.errors import counted
from electra_cli.files.layout import MANIFEST_FILE

IDS_AT_ONCE = 2**22  # looked at together: tens of megabytes, whatever the size of a shard


@dataclass(frozen=True)
class Verified:
    """What `verify_data` has read.

    Attributes:
      files: Files that the manifest lists, the vocabulary included.
      bytes: Their size by the manifest, without the vocabulary's.
      faults: What is wrong, each beginning with the file's name; empty if all is well.
    """

    files: int
    bytes: int
    faults: list[str]


class ShardError(Exception):
    """A shard that is not what the manifest says."""


def verify_data(
    manifest: Manifest, *, on_progress: Callable[[int], None] = lambda done: None
) -> Verified:
    """Reads every file of a prepared folder: size, checksum, layout, and what rows must be like.

    Args:
      manifest: From `read_manifest`.
      on_progress: Receives the number of bytes done.
    """
    faults = file_faults(manifest)
    for split, examples in (
        ("train", manifest.examples),
        ("validation", manifest.validation_examples),
    ):
        rows = sum(shard.rows for shard in manifest.shards if shard.split == split)
        if rows != examples:
            told = counted(examples, f"{split} row")
            faults.append(f"{MANIFEST_FILE} counts {told}, its shards {rows:,}")
    done = 0
    for shard in manifest.shards:
        path = manifest.folder / shard.file
        if path.is_file() and path.stat().st_size == shard.bytes:
            faults += [f"{shard.file} {fault}" for fault in _content_faults(manifest, shard, path)]
        done += shard.bytes
        on_progress(done)
    return Verified(len(manifest.shards) + 1, done, faults)


def checked_rows(
    manifest: Manifest, shard: Shard, ids_at_once: int = IDS_AT_ONCE
) -> Iterator[npt.NDArray[Any]]:
    """The rows of a shard, part by part, each part checked before it is given out.

    Args:
      manifest: Of the folder.
      shard: One of its shards.
      ids_at_once: How many ids a part has at most, if a row has no more.

    Yields:
      [N, L + W] of the manifest's type.

    Raises:
      ShardError: The shard is no array, has another type or shape, or holds a row that
        `electra prepare-data` does not write. It does not name the file.
    """
    try:
        rows = load_shard(manifest.folder / shard.file).view(np.ndarray)  # [rows, L + W]
    except ValueError as error:
        raise ShardError(f"is no .npy file: {error}") from error
    width = row_width(manifest.sequence_length, manifest.dtype)
    expected = (np.dtype(manifest.dtype).newbyteorder("<"), (shard.rows, width))
    if (rows.dtype, rows.shape) != expected:
        raise ShardError(f"holds {rows.dtype} {rows.shape}, not {expected[0]} {expected[1]}")
    step = max(1, ids_at_once // manifest.sequence_length)
    for first in range(0, len(rows), step):
        part = rows[first : first + step]  # [N, L + W]
        if faults := _row_faults(part, first, manifest):
            raise ShardError(", ".join(faults))
        yield part


def _row_faults(rows: npt.NDArray[Any], first: int, manifest: Manifest) -> list[str]:
    """The first row of each kind that is wrong; [N, L + W] begin at row `first` of the shard."""
    special = manifest.special_ids
    ids = ids_of(rows, manifest.sequence_length)  # [N, L]
    word_starts = word_starts_of(rows, manifest.sequence_length)  # [N, L]
    no_words = np.isin(ids, [special.pad, special.cls, special.sep])  # [N, L]
    checks = {
        f"an id outside of the vocabulary's {manifest.vocab.size}": (
            (ids >= manifest.vocab.size).any(axis=1)
        ),
        "no [CLS] at its beginning": ids[:, 0] != special.cls,
        "padding before a token": ((ids[:, :-1] == special.pad) & (ids[:, 1:] != special.pad)).any(
            axis=1
        ),
        "a word that begins on a special token": (word_starts & no_words).any(axis=1),
    }  # [N] each
    return [
        f"has {what} in row {first + int(bad.argmax())}"
        for what, bad in checks.items()
        if bad.any()
    ]


def _content_faults(manifest: Manifest, shard: Shard, path: Path) -> Iterator[str]:
    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        if digest != shard.sha256:
            yield "has another checksum"
        for _ in checked_rows(manifest, shard):
            pass
    except OSError as error:
        yield f"cannot be read: {error.strerror}"
    except ShardError as fault:
        yield str(fault)
