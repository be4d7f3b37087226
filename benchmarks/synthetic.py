"""A prepared folder of random ids with a vocabulary of the real size.

The time of a step does not depend on which tokens a row holds. So the rows are random; all are
full: [CLS] a [SEP] b [SEP] without padding. A quarter of the vocabulary continues words.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from electra_cli.corpus.shards.counts import Counts
from electra_cli.corpus.shards.manifest import (
    Manifest,
    TokenizerOptions,
    VocabularyFile,
    write_manifest,
)
from electra_cli.corpus.shards.rows import Shard, Split, ids_dtype, with_word_starts
from electra_cli.corpus.wordpiece.vocabulary import (
    CONTINUATION,
    SPECIAL_TOKENS,
    continuations,
    special_ids,
    vocabulary_sha256,
    vocabulary_text,
)
from electra_cli.files.layout import slice_name

VOCAB_SIZE = 30522  # of the vocabulary that BERT and ELECTRA were published with


def write_prepared(
    folder: Path, *, length: int, rows: int, shards: int = 1, validation_rows: int = 1
) -> None:
    """Writes a folder that `electra pretrain --data` accepts.

    Args:
      folder: The folder to make.
      length: Ids a row.
      rows: Rows to train on, over all shards.
      shards: Files they are in.
      validation_rows: Rows held out.
    """
    folder.mkdir(parents=True)
    words = (
        f"{CONTINUATION if number % 4 == 0 else ''}[unused{number}]"
        for number in range(VOCAB_SIZE - len(SPECIAL_TOKENS))
    )
    tokens = [*SPECIAL_TOKENS, *words]
    vocabulary = folder / "vocab.txt"
    vocabulary.write_text(vocabulary_text(tokens), encoding="utf-8")

    begins_word = ~np.array(continuations(tokens))  # [V]
    begins_word[: len(SPECIAL_TOKENS)] = False
    rng = np.random.default_rng(0)

    def shard(split: Split, index: int, rows: int) -> Shard:
        return _shard(folder, split, index, _random_ids(rows, length, rng), begins_word)

    parts = [shard("train", index, rows // shards) for index in range(shards)]
    parts.append(shard("validation", 0, validation_rows))
    manifest = Manifest(
        sequence_length=length,
        dtype=ids_dtype(VOCAB_SIZE),
        vocab=VocabularyFile(
            file=vocabulary.name, size=VOCAB_SIZE, sha256=vocabulary_sha256(tokens)
        ),
        tokenizer=TokenizerOptions(lowercase=True, strip_accents=True),
        special_ids=special_ids(tokens),
        packing="full",
        seed=0,
        validation_fraction=0.005,
        counts=Counts(),
        unknown_words={},
        examples=rows // shards * shards,
        validation_examples=validation_rows,
        shards=parts,
    )
    write_manifest(folder, manifest)


def _random_ids(rows: int, length: int, rng: np.random.Generator) -> npt.NDArray[Any]:
    special = special_ids(SPECIAL_TOKENS)
    dtype = ids_dtype(VOCAB_SIZE)
    ids = rng.integers(len(SPECIAL_TOKENS), VOCAB_SIZE, (rows, length), dtype)  # [N, L]
    ids[:, 0] = special.cls
    ids[np.arange(rows), rng.integers(2, length - 2, rows)] = special.sep
    ids[:, -1] = special.sep
    return ids


def _shard(
    folder: Path,
    split: Split,
    index: int,
    ids: npt.NDArray[Any],
    begins_word: npt.NDArray[np.bool_],
) -> Shard:
    path = folder / f"{split}-{slice_name(index)}.npy"
    np.save(path, with_word_starts(ids, begins_word[ids]))  # [N, L + W]
    return Shard(
        file=path.name,
        split=split,
        rows=len(ids),
        bytes=path.stat().st_size,
        sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
    )
