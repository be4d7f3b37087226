"""Vocabularies, and where their special tokens are."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from electra_cli.corpus.vocabulary_folder import (
    MOST_BYTES,
    TOKENIZER_FILE,
    find_vocabulary,
    tokenizer_tokens,
)
from electra_cli.errors import DataError, InputMissingError

PAD, UNK, CLS, SEP, MASK = SPECIAL_TOKENS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
CONTINUATION = "##"


class SpecialIds(BaseModel):
    """Ids of the special tokens."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    pad: int
    unk: int
    cls: int
    sep: int
    mask: int


def load_vocabulary(path: Path) -> list[str]:
    """Reads a vocabulary.

    Args:
      path: A file of one word piece a line, whose id is its line, counted from 0; or a tokenizer
        folder of Hugging Face that holds a WordPiece tokenizer.

    Returns:
      The tokens in the order of their ids.

    Raises:
      InputMissingError: It is not there or cannot be opened.
      DataError: It is empty or no UTF-8, lacks a special token, holds a blank line or a token
        twice, or [PAD] is not its first token; or the folder holds another kind of tokenizer.
    """
    found = find_vocabulary(path) if path.is_dir() else path
    tokens = tokenizer_tokens(found) if found.name == TOKENIZER_FILE else _lines(found)
    if tokens in ([], [""]):
        raise DataError(f"vocabulary {found} is empty", hint=_HINT)
    _check_unique(found, tokens)
    missing = [token for token in SPECIAL_TOKENS if token not in tokens]
    if missing:
        raise DataError(f"vocabulary {found} lacks {', '.join(missing)}", hint=_HINT)
    if tokens[0] != PAD:
        raise DataError(
            f"vocabulary {found} has {PAD} on line {tokens.index(PAD) + 1}; it must be the first, "
            "since padding is 0",
            hint=_HINT,
        )
    return tokens


def special_ids(tokens: Sequence[str]) -> SpecialIds:
    """Where the special tokens are in a vocabulary that `load_vocabulary` accepts."""
    pad, unk, cls, sep, mask = map(tokens.index, SPECIAL_TOKENS)
    return SpecialIds(pad=pad, unk=unk, cls=cls, sep=sep, mask=mask)


def continuations(tokens: Sequence[str]) -> list[bool]:
    """Which word pieces continue a word instead of beginning one."""
    return [token.startswith(CONTINUATION) for token in tokens]


def vocabulary_text(tokens: Sequence[str]) -> str:
    """The content of a vocabulary file."""
    return "\n".join(tokens) + "\n"


def vocabulary_sha256(tokens: Sequence[str]) -> str:
    """The hash of the file that we write for these tokens, whatever the file they came from."""
    return hashlib.sha256(vocabulary_text(tokens).encode("utf-8")).hexdigest()


def _lines(path: Path) -> list[str]:
    try:
        with path.open("rb") as file:
            raw = file.read(MOST_BYTES + 1)
        if len(raw) > MOST_BYTES:
            raise DataError(f"{path} has more than {MOST_BYTES:,} bytes: no vocabulary", hint=_HINT)
        content = raw.decode("utf-8-sig")
    except (FileNotFoundError, IsADirectoryError, PermissionError) as error:
        raise InputMissingError(
            f"vocabulary cannot be read: {path} ({error.strerror})", hint=_HINT
        ) from error
    except UnicodeDecodeError as error:
        raise DataError(f"vocabulary {path} is not valid UTF-8", hint=_HINT) from error
    # Not str.splitlines: a vocabulary may well hold U+2028 or U+0085 as a token.
    return [line.strip(" \t\r") for line in content.removesuffix("\n").split("\n")]


def _check_unique(path: Path, tokens: Sequence[str]) -> None:
    first: dict[str, int] = {}
    faults = []
    for number, token in enumerate(tokens, start=1):
        if not token:
            faults.append(f"line {number} is blank")
        elif token in first:
            faults.append(f"line {number} repeats {token!r} of line {first[token]}")
        else:
            first[token] = number
    if faults:
        more = f" and {len(faults) - 3} more" if faults[3:] else ""
        raise DataError(f"vocabulary {path}: {'; '.join(faults[:3])}{more}", hint=_HINT)


_HINT = (
    f"a vocabulary has one word piece a line, {PAD} first, and holds {', '.join(SPECIAL_TOKENS)}; "
    "leave --vocab out to train one"
)
