"""What `prepare_data` returns."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from electra_cli.corpus.manifest import Manifest
from electra_cli.corpus.output import MANIFEST_FILE
from electra_cli.corpus.slices import Counts


@dataclass(frozen=True)
class StageDone:
    """The result of a call that does not end with the manifest: a plan, or one of several tasks.

    Attributes:
      output: The prepared folder.
      slices: Slices in the plan.
      slices_done: Slices that this call prepared.
      input_bytes: Uncompressed bytes of these.
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
      output: The prepared folder.
      manifest: Path of its manifest.
      counts: What was met; see `Counts`.
      examples: Rows to train on.
      validation_examples: Rows held out.
      shards: Number of shard files.
      vocab_size: Tokens in the vocabulary.
      unknown_rate: [UNK] a token.
      padding_share: Padding a position of all rows.
      seconds: This call's time.
      megabytes_per_second: Uncompressed input prepared by this call a second, training of the
        vocabulary included; 0 if everything was done already.
    """

    output: Path
    manifest: Path
    counts: Counts
    examples: int
    validation_examples: int
    shards: int
    vocab_size: int
    unknown_rate: float
    padding_share: float
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
    counts = manifest.counts
    positions = (manifest.examples + manifest.validation_examples) * manifest.sequence_length
    return PreparedData(
        output=manifest.folder,
        manifest=manifest.folder / MANIFEST_FILE,
        counts=counts,
        examples=manifest.examples,
        validation_examples=manifest.validation_examples,
        shards=len(manifest.shards),
        vocab_size=manifest.vocab.size,
        unknown_rate=counts.unknown_tokens / counts.tokens,
        padding_share=counts.padding / positions,
        seconds=seconds,
        megabytes_per_second=prepared_bytes / 1e6 / seconds,
    )
