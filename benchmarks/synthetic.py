"""A prepared folder of random ids with a vocabulary of the real size.

The time of a step does not depend on which tokens a row holds. So the rows are random; all are
full: [CLS] a [SEP] b [SEP] without padding.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np

from electra_cli.corpus.manifest import Manifest, TokenizerOptions, VocabularyFile, write_manifest
from electra_cli.corpus.output import slice_name
from electra_cli.corpus.shards import Shard, Split, ids_dtype
from electra_cli.corpus.slices import Counts
from electra_cli.corpus.vocabulary import (
    SPECIAL_TOKENS,
    special_ids,
    vocabulary_sha256,
    vocabulary_text,
)

VOCAB_SIZE = 30522  # of the vocabulary that BERT and ELECTRA were published with


def write_prepared(
    folder: Path, *, length: int, rows: int, shards: int = 1, validation_rows: int = 1
) -> None:
    """Writes a folder that `electra pretrain --data` accepts.

    Args:
      folder: Is made.
      length: Ids a row.
      rows: Rows to train on, over all shards.
      shards: Files they are in.
      validation_rows: Rows held out.
    """
    folder.mkdir(parents=True)
    words = (f"[unused{number}]" for number in range(VOCAB_SIZE - len(SPECIAL_TOKENS)))
    tokens = [*SPECIAL_TOKENS, *words]
    vocabulary = folder / "vocab.txt"
    vocabulary.write_text(vocabulary_text(tokens), encoding="utf-8")

    rng = np.random.default_rng(0)
    parts = [_shard(folder, "train", index, rows // shards, length, rng) for index in range(shards)]
    parts.append(_shard(folder, "validation", 0, validation_rows, length, rng))
    manifest = Manifest(
        sequence_length=length,
        dtype=ids_dtype(VOCAB_SIZE),
        vocab=VocabularyFile(
            file=vocabulary.name, size=VOCAB_SIZE, sha256=vocabulary_sha256(tokens)
        ),
        tokenizer=TokenizerOptions(lowercase=True, strip_accents=True),
        special_ids=special_ids(tokens),
        seed=0,
        validation_fraction=0.005,
        counts=Counts(),
        examples=rows // shards * shards,
        validation_examples=validation_rows,
        shards=parts,
    )
    write_manifest(folder, manifest)


def _shard(
    folder: Path, split: Split, index: int, rows: int, length: int, rng: np.random.Generator
) -> Shard:
    special = special_ids(SPECIAL_TOKENS)
    ids = rng.integers(len(SPECIAL_TOKENS), VOCAB_SIZE, (rows, length), ids_dtype(VOCAB_SIZE))
    ids[:, 0] = special.cls
    ids[np.arange(rows), rng.integers(2, length - 2, rows)] = special.sep
    ids[:, -1] = special.sep
    path = folder / f"{split}-{slice_name(index)}.npy"
    np.save(path, ids)
    return Shard(
        file=path.name,
        split=split,
        rows=rows,
        bytes=path.stat().st_size,
        sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
    )
