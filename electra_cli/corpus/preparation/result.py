"""What `prepare_data` returns, and how much room it needs."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from electra_cli.corpus.preparation.plan import Plan
from electra_cli.corpus.preparation.plausibility import implausible, unknown_rate
from electra_cli.corpus.preparation.records import SliceRecord
from electra_cli.corpus.shards.counts import Counts
from electra_cli.corpus.shards.manifest import Manifest
from electra_cli.corpus.wordpiece.identity import TokenizerOptions
from electra_cli.files.layout import MANIFEST_FILE

# Bytes of shards a byte of text, for an estimate before any are there: half an id of two bytes.
_SHARDS_SHARE = 0.6

# The manifest and the records of slices.
_SMALLEST_FILES = 2**16


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
      left_out: Names of the first inputs that turned out to be unreadable or damaged when they
        were read.
      examples: Rows to train on.
      validation_examples: Rows held out.
      shards: Number of shard files.
      vocab_size: Tokens in the vocabulary.
      tokenizer: What is done with case and accents.
      unknown_rate: [UNK] a token.
      padding_share: Padding a position of all rows.
      warnings: What the folder should not be used for without a second look.
      seconds: This call's time.
      megabytes_per_second: Uncompressed input prepared by this call a second, training of the
        vocabulary included; 0 if everything was done already.
    """

    output: Path
    manifest: Path
    counts: Counts
    left_out: list[str]
    examples: int
    validation_examples: int
    shards: int
    vocab_size: int
    tokenizer: TokenizerOptions
    unknown_rate: float
    padding_share: float
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
    counts = manifest.counts
    positions = (manifest.examples + manifest.validation_examples) * manifest.sequence_length
    return PreparedData(
        output=manifest.folder,
        manifest=manifest.folder / MANIFEST_FILE,
        counts=counts,
        left_out=manifest.left_out,
        examples=manifest.examples,
        validation_examples=manifest.validation_examples,
        shards=len(manifest.shards),
        vocab_size=manifest.vocab.size,
        tokenizer=manifest.tokenizer,
        unknown_rate=unknown_rate(counts),
        padding_share=counts.padding / positions,
        warnings=[str(finding) for finding in implausible(manifest)],
        seconds=seconds,
        megabytes_per_second=prepared_bytes / 1e6 / seconds,
    )


def room_needed(plan: Plan, records: Sequence[SliceRecord]) -> str:
    """How much more the shards will take, in words.

    Args:
      plan: Of all slices.
      records: Of the slices whose shards are there.
    """
    done = sum(plan.slices[record.index].disk_bytes for record in records)
    left = plan.disk_bytes - done
    if done:
        written = sum(shard.bytes for record in records for shard in record.shards)
        needed = int(left * written / done)
    else:
        needed = int(sum(slice_.text_bytes for slice_ in plan.slices) * _SHARDS_SHARE)
    return f"about {max(needed, _SMALLEST_FILES):,} more are needed"
