"""What `prepare_data` returns, and how much room it needs."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from electra_cli.corpus.preparation.plan import Slice
from electra_cli.corpus.preparation.plausibility import implausible
from electra_cli.corpus.shards.manifest import Manifest

# Bytes of shards a byte of text, more or less.
_SHARDS_SHARE = 0.6

# The manifest and the records of slices.
_SMALLEST_FILES = 2**16


@dataclass(frozen=True)
class StageDone:
    """The result of a call that does not end with the manifest: a task of a stage.

    Attributes:
      output: The prepared folder.
      slices: Slices in the plan.
      slices_done: Slices that this call scanned, counted or prepared.
      input_bytes: Uncompressed bytes of those that it prepared.
      seconds: This call's time.
    """

    output: Path
    slices: int
    slices_done: int
    input_bytes: int
    seconds: float


@dataclass(frozen=True)
class PreparedData:
    """The result of `prepare_data`.

    Attributes:
      manifest: Of the prepared folder.
      warnings: What the folder should not be used for without a second look.
      seconds: This call's time.
      megabytes_per_second: Uncompressed input prepared by this call a second, training of the
        vocabulary included; 0 if everything was done already.
    """

    manifest: Manifest
    warnings: list[str]
    seconds: float
    megabytes_per_second: float


def prepared_data(manifest: Manifest, started: float, prepared_bytes: int) -> PreparedData:
    """Sums up a finished folder.

    Args:
      manifest: As loaded from the folder.
      started: `time.monotonic()` at the beginning.
      prepared_bytes: Uncompressed input that was prepared since.
    """
    seconds = time.monotonic() - started
    return PreparedData(
        manifest=manifest,
        warnings=[str(finding) for finding in implausible(manifest)],
        seconds=seconds,
        megabytes_per_second=prepared_bytes / 1e6 / seconds,
    )


def room_needed(left: Iterable[Slice]) -> str:
    """How much more the shards will take, in words.

    Args:
      left: The slices that are not prepared.
    """
    size = sum(slice_.text_bytes for slice_ in left)
    return f"about {max(int(size * _SHARDS_SHARE), _SMALLEST_FILES):,} more are needed"
