"""What `prepare_data` returns."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from electra_cli.corpus.manifest import Manifest
from electra_cli.corpus.output import MANIFEST_FILE


@dataclass(frozen=True)
class PreparedData:
    """The result of `prepare_data`.

    Attributes:
      output: The prepared folder.
      manifest: Path of its manifest.
      documents: Documents that made an example, validation included.
      words: White-space words of them.
      tokens: Word pieces of them.
      dropped_tokens: Word pieces that did not fit into an example.
      examples: Rows to train on.
      validation_examples: Rows held out.
      shards: Number of shard files.
      vocab_size: Tokens in the vocabulary.
      unknown_rate: [UNK] a token.
      padding_share: Padding a position of all rows.
      bad_json_lines: JSON lines skipped.
      bad_rows: Rows of tables skipped.
      invalid_utf8: Documents skipped.
      input_bytes: Uncompressed bytes of the input.
      seconds: This call's time.
      megabytes_per_second: Uncompressed input prepared by this call a second, training of the
        vocabulary included; 0 if everything was done already.
    """

    output: Path
    manifest: Path
    documents: int
    words: int
    tokens: int
    dropped_tokens: int
    examples: int
    validation_examples: int
    shards: int
    vocab_size: int
    unknown_rate: float
    padding_share: float
    bad_json_lines: int
    bad_rows: int
    invalid_utf8: int
    input_bytes: int
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
        documents=counts.documents,
        words=counts.words,
        tokens=counts.tokens,
        dropped_tokens=counts.dropped_tokens,
        examples=manifest.examples,
        validation_examples=manifest.validation_examples,
        shards=len(manifest.shards),
        vocab_size=manifest.vocab.size,
        unknown_rate=counts.unknown_tokens / counts.tokens,
        padding_share=counts.padding / positions,
        bad_json_lines=counts.bad_json_lines,
        bad_rows=counts.bad_rows,
        invalid_utf8=counts.invalid_utf8,
        input_bytes=counts.input_bytes,
        seconds=seconds,
        megabytes_per_second=prepared_bytes / 1e6 / seconds,
    )
