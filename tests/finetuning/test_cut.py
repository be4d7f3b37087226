"""Data that rows would cut too much of is refused, and the error names a length that is enough."""

from __future__ import annotations

from pathlib import Path

import pytest

from electra_cli.config.finetune import FinetuneConfig
from electra_cli.corpus.wordpiece.identity import TokenizerOptions
from electra_cli.corpus.wordpiece.wordpiece_tokenizer import WordPieceTokenizer
from electra_cli.errors import DataError
from electra_cli.finetuning.data import read_task

TOKENS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a"]


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    """Of 20 texts to learn from 3 have 10 words, and 12 tokens with [CLS] and [SEP]."""
    texts = ["a " * 10] * 3 + ["a " * number for number in range(1, 7)] * 3
    files = {name: tmp_path / f"{name}.csv" for name in ("train", "dev")}
    for path in files.values():
        rows = [f"{text.strip()},{place % 2}" for place, text in enumerate(texts[:20])]
        path.write_text("\n".join(["text,label", *rows]) + "\n")
    return files


def read(files: dict[str, Path], **values: object) -> FinetuneConfig:
    config = FinetuneConfig().replaced({f"task.{key}": value for key, value in values.items()})
    options = TokenizerOptions(lowercase=True, strip_accents=True)
    return read_task(config, files, WordPieceTokenizer(TOKENS, options))[0]


def test_too_much_would_be_cut(files: dict[str, Path]) -> None:
    with pytest.raises(DataError, match=r"max_length 8 and would be cut") as error:
        read(files, max_length=8)
    assert "3 of 20 examples (15.0%)" in error.value.message
    hint = error.value.hint
    assert hint.startswith("--max-length 12,")
    assert "--set task.most_cut=1" in hint
    read(files, max_length=12)
    read(files, max_length=8, most_cut=0.15)
