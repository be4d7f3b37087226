"""Ids as bytes and back, for tests that think in numbers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from electra_cli.corpus.wordpiece.line_encoder import LineEncoder
from electra_cli.corpus.wordpiece.tokenizer import WordSplitter
from electra_cli.corpus.wordpiece.vocabulary import load_vocabulary


def ids_in(data: bytes) -> list[int]:
    """The numbers that 16-bit ids stand for."""
    return np.frombuffer(data, "<u2").tolist()


def line_ids(line: str, vocab: Path, *, lowercase: bool, strip_accents: bool) -> list[int]:
    """The ids of a line as they are prepared for training."""
    split = WordSplitter(lowercase=lowercase, strip_accents=strip_accents)
    return ids_in(LineEncoder(load_vocabulary(vocab), split, "uint16").encode([line]).lines[0])


def as_bytes(ids: Sequence[int]) -> bytes:
    """Numbers as 16-bit ids."""
    return np.array(ids, "<u2").tobytes()
