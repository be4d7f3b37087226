"""Inputs that the reference made of real examples, and the texts that they were made of."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from electra_cli.corpus.wordpiece.identity import TokenizerOptions
from electra_cli.corpus.wordpiece.vocabulary import load_vocabulary
from electra_cli.corpus.wordpiece.wordpiece_tokenizer import WordPieceTokenizer
from tests.golden.reference_case import DIRECTORIES

NAME = "finetune_preprocessing"
_HERE = Path(__file__).parent


@dataclass(frozen=True)
class PreprocessingCase:
    """One kind of task.

    Attributes:
      texts: What the rows were made of.
      values: The recorded arrays, by name.
    """

    texts: dict[str, Any]
    values: Mapping[str, npt.NDArray[Any]]

    def columns(self, prefix: str) -> dict[str, npt.NDArray[Any]]:
        """The arrays whose names begin so, by the rest of their names."""
        start = f"{prefix}/"
        return {
            name.removeprefix(start): value
            for name, value in self.values.items()
            if name.startswith(start)
        }


@cache
def preprocessing_case(
    name: str, named: str = os.environ.get(DIRECTORIES, "")
) -> PreprocessingCase:
    """The recorded case of a kind: classification, tagging, squad or qa_postprocessing.

    Args:
      name: Of the kind.
      named: Folders separated by colons; the first that has such cases replaces those beside this
        file.
    """
    folders = [Path(folder) / NAME for folder in named.split(":") if folder]
    folder = next((folder for folder in folders if folder.is_dir()), _HERE / NAME)
    texts = json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
    with np.load(folder / f"{name}.npz", allow_pickle=False) as file:
        return PreprocessingCase(texts, dict(file))


@cache
def tokenizer() -> WordPieceTokenizer:
    """The tokenizer that the cases were made with."""
    tokens = load_vocabulary(_HERE / "tokenization" / "vocab.txt")
    return WordPieceTokenizer(tokens, TokenizerOptions(lowercase=True, strip_accents=True))


def ids_of(text: str) -> list[int]:
    """The ids of one text."""
    return next(iter(tokenizer().ids([text]))).tolist()
