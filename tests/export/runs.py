"""Run folders for tests of exporting: small, never trained, and every weight random."""

from __future__ import annotations

import string
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from electra_cli.config.load import dump_config
from electra_cli.config.schema import Config
from electra_cli.corpus.shards.counts import Counts
from electra_cli.corpus.shards.manifest import (
    Manifest,
    VocabularyFile,
    write_manifest,
)
from electra_cli.corpus.subword.open import TextIds, content_sha256, open_tokenizer
from electra_cli.corpus.wordpiece.identity import TokenizerOptions
from electra_cli.corpus.wordpiece.vocabulary import SPECIAL_TOKENS
from electra_cli.corpus.wordpiece.wordpiece_tokenizer import WordPieceTokenizer

STEP = 7
SEQUENCE_LENGTH = 16
_VOCAB_SIZE = 200

WORDS = ["the", "cat", "sat", "on", "mat", "naïve", "naive", "Straße", "中", "##ing", "##s"]


def small_vocabulary() -> list[str]:
    letters = string.ascii_letters + string.digits + string.punctuation
    suffixes = [f"##{letter}" for letter in string.ascii_lowercase]
    tokens = [*SPECIAL_TOKENS, *letters, *suffixes, *WORDS]
    tokens += [f"[unused{n}]" for n in range(_VOCAB_SIZE)]
    return list(dict.fromkeys(tokens))[:_VOCAB_SIZE]


def small_config(
    embedding: int, vocab_size: int = _VOCAB_SIZE, length: int = SEQUENCE_LENGTH
) -> Config:
    """Hidden sizes are 32 and 16: an embedding of another size is projected."""
    return Config.model_validate(
        {
            "preset": "custom",
            "data": {"sequence_length": length},
            "model": {
                "vocab_size": vocab_size,
                "embedding_size": embedding,
                "hidden_size": 32,
                "num_layers": 2,
                "num_attention_heads": 4,
                "intermediate_size": 64,
                "max_position_embeddings": length + 8,
            },
            "generator": {"size": 0.5},
        }
    )


def small_tokenizer(
    options: TokenizerOptions | None, given: Path | None = None, tokens: list[str] | None = None
) -> TextIds:
    """A tokenizer.json that is given, or else word pieces."""
    if given is not None:
        return open_tokenizer(given, None)
    assert options is not None
    return WordPieceTokenizer(tokens or small_vocabulary(), options)


def write_manifest_of(
    folder: Path,
    *,
    tokens: list[str] | None = None,
    options: TokenizerOptions | None = None,
    length: int = SEQUENCE_LENGTH,
    given: Path | None = None,
) -> None:
    """Writes manifest and vocabulary of data that is not there, as a run keeps them."""
    if given is None:
        options = options or TokenizerOptions(lowercase=True, strip_accents=True)
    tokenizer = small_tokenizer(options, given, tokens)
    (folder / tokenizer.file).write_bytes(tokenizer.content)
    manifest = Manifest(
        sequence_length=length,
        dtype="uint16",
        vocab=VocabularyFile(
            file=tokenizer.file,
            size=len(tokenizer.tokens),
            sha256=content_sha256(tokenizer),
            kind=tokenizer.kind,
        ),
        tokenizer=options,
        special_ids=tokenizer.special,
        packing="reference",
        seed=0,
        validation_fraction=0.01,
        counts=Counts(documents=1234, validation_documents=5, tokens=67890),
        unknown_words={},
        examples=321,
        validation_examples=4,
        shards=[],
    )
    write_manifest(folder, manifest)


def write_run(
    run: Path,
    *,
    embedding: int = 24,
    lowercase: bool = True,
    strip_accents: bool = True,
    tokens: list[str] | None = None,
    length: int = SEQUENCE_LENGTH,
    objective: str = "electra",
    values: Mapping[str, Any] = {},
    given: Path | None = None,
) -> Path:
    """Writes a run folder with one checkpoint, of other `values` by key, and returns it.

    Its tokenizer is word pieces, or a tokenizer.json that is `given`.
    """
    import tensorflow as tf

    from electra_cli.modeling.architecture import Architecture
    from electra_cli.modeling.electra import ElectraModel

    options = TokenizerOptions(lowercase=lowercase, strip_accents=strip_accents)
    size = len(small_tokenizer(options, given, tokens).tokens)
    config = small_config(embedding, size, length).replaced({"objective.name": objective, **values})
    (run / "data").mkdir(parents=True)
    (run / "checkpoints").mkdir()
    (run / "config.yaml").write_text(dump_config(config), encoding="utf-8")
    own = None if given else options
    write_manifest_of(run / "data", tokens=tokens, options=own, length=length, given=given)
    model = ElectraModel(Architecture.of(config))
    generator = np.random.default_rng(embedding)
    for variable in model.weights:
        # Biases and LayerNorm too, so that no wrong place can hide behind a zero or a one.
        variable.assign(variable + 0.3 * generator.standard_normal(variable.shape))
    tf.train.Checkpoint(model=model).write(str(run / "checkpoints" / f"ckpt-{STEP}"))
    return run
