"""Vocabularies, and where their special tokens are."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

from electra_cli.errors import DataError, InputMissingError, listed
from electra_cli.files.record import Record

PAD, UNK, CLS, SEP, MASK = SPECIAL_TOKENS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
CONTINUATION = "##"
# What to do where there is no tokenizer.
NAME_ONE = (
    "give a tokenizer.json of kind WordPiece, BPE or Unigram, a vocab.txt, or a folder with one of "
    "them"
)
# What an id of 32 bits is raised by that begins a word, where no table of ids says it.
BEGINS_WORD = 2**31


class OtherRulesError(DataError):
    """A tokenizer that is whole, but another one than BERT's."""


class SpecialIds(Record):
    """Ids of the special tokens; unk is None where every text has tokens, as in bytes."""

    pad: int
    unk: int | None
    cls: int
    sep: int
    mask: int


def load_vocabulary(path: Path, *, may_be_bare: bool = False) -> list[str]:
    """Reads a vocabulary.

    Args:
      path: A file of one word piece a line, whose id is its line, counted from 0. What lies beside
        it is not looked at: `found_tokenizer.read_tokenizer` does that.
      may_be_bare: Whether it may hold the special tokens alone, as one does that was trained on
        texts without a word.

    Returns:
      The tokens in the order of their ids.

    Raises:
      InputMissingError: It is not there or cannot be opened.
      DataError: It is no UTF-8, or no vocabulary, see `check_tokens`.
    """
    tokens = read_lines(path)
    check_tokens(path, tokens, may_be_bare=may_be_bare)
    return tokens


def check_tokens(path: Path, tokens: Sequence[str], *, may_be_bare: bool = False) -> None:
    """Makes sure that tokens are a vocabulary that a model can be trained with.

    Args:
      path: Where they come from, for messages.
      tokens: The tokens in the order of their ids.
      may_be_bare: See `load_vocabulary`.

    Raises:
      DataError: There are none, a special token is missing or nothing else is there, one is blank
        or there twice, or [PAD] is not the first.
    """
    if tokens in ([], [""]):
        raise DataError(f"vocabulary {path} is empty", hint=_HINT)
    _check_unique(path, tokens)
    missing = [token for token in SPECIAL_TOKENS if token not in tokens]
    if missing:
        raise OtherRulesError(f"vocabulary {path} lacks {', '.join(missing)}", hint=_HINT)
    if len(tokens) == len(SPECIAL_TOKENS) and not may_be_bare:
        raise DataError(
            f"vocabulary {path} has its special tokens alone: every word would be {UNK}",
            hint=_HINT,
        )
    if tokens[0] != PAD:
        raise OtherRulesError(
            f"vocabulary {path} has {PAD} on line {tokens.index(PAD) + 1}; it must be the first, "
            "since padding is 0",
            hint=_HINT,
        )


def free_slots(tokens: Collection[str]) -> Iterator[str]:
    """[unused0], [unused1], … without those that are among the tokens."""
    return (name for n in itertools.count() if (name := f"[unused{n}]") not in tokens)


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


def read_lines(path: Path) -> list[str]:
    """The lines of a vocabulary's file, whatever they are.

    Raises:
      InputMissingError: It is not there or cannot be opened.
      DataError: It is no UTF-8.
    """
    try:
        content = path.read_bytes().decode("utf-8-sig")
    except (FileNotFoundError, IsADirectoryError, PermissionError) as error:
        raise InputMissingError(
            f"vocabulary cannot be read: {path} ({error.strerror})", hint=NAME_ONE
        ) from error
    except UnicodeDecodeError as error:
        raise DataError(f"vocabulary {path} is not valid UTF-8", hint=NAME_ONE) from error
    # str.splitlines would also split at U+2028 and U+0085, which may well be tokens.
    return [line.strip(" \t\r") for line in content.removesuffix("\n").split("\n")]


def _check_unique(path: Path, tokens: Sequence[str]) -> None:
    first: dict[str, int] = {}
    faults, hint = [], _HINT
    for number, token in enumerate(tokens, start=1):
        if not token:
            faults.append(f"line {number} is blank")
        elif token in first:
            faults.append(f"line {number} repeats {token!r} of line {first[token]}")
        else:
            first[token] = number
    if faults:
        if "" in tokens:
            hint = f"put {next(free_slots(first))} on line {tokens.index('') + 1}: what stands "
            hint += "behind it keeps its id"
            if "" not in tokens[: len(first)]:
                hint = f"delete the blank lines at its end, from line {tokens.index('') + 1} on"
        raise DataError(f"vocabulary {path}: {listed(faults, separator='; ')}", hint=hint)


_HINT = (
    f"a vocabulary has one word piece a line, {PAD} first, and holds {', '.join(SPECIAL_TOKENS)}; "
    "leave --vocab out to train one"
)
