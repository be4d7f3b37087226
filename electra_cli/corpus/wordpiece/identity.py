"""What makes two tokenizers the same: vocabulary, case and accents."""

from __future__ import annotations

import hashlib
import json
import shlex
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from electra_cli.errors import DataError, counted
from electra_cli.files.record import Record

# How a tokenizer makes tokens of words.
Kind = Literal["wordpiece", "bpe", "unigram"]
KIND_NAMES: dict[Kind, str] = {"wordpiece": "WordPiece", "bpe": "BPE", "unigram": "Unigram"}


class TokenizerOptions(Record):
    """How text is normalised before word pieces are looked for."""

    lowercase: bool
    strip_accents: bool

    def __str__(self) -> str:
        case = "lower-cased" if self.lowercase else "case kept"
        return f"{case}, accents {'removed' if self.strip_accents else 'kept'}"

    @property
    def flags(self) -> str:
        """The options of `electra prepare-data` that ask for it."""
        lowercase = "--lowercase" if self.lowercase else "--no-lowercase"
        return f"{lowercase} {'--strip-accents' if self.strip_accents else '--no-strip-accents'}"


def tokenizer_sha256(vocab_sha256: str, options: TokenizerOptions | None) -> str:
    """The fingerprint of a tokenizer: tokenizers that share it give the same ids.

    Args:
      vocab_sha256: The vocabulary's hash, see `vocabulary.vocabulary_sha256`.
      options: Whether case and accents are kept; None of a tokenizer.json, which says it itself.
    """
    if options is None:
        return vocab_sha256
    text = json.dumps([vocab_sha256, options.lowercase, options.strip_accents])
    return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True)
class Identity:
    """A tokenizer, as far as it can be told from others.

    Attributes:
      pieces: Tokens of its vocabulary.
      vocab_sha256: Their hash.
      options: How it normalises text; None where nothing says, or its file does by itself.
      kind: How it makes tokens of words.
    """

    pieces: int
    vocab_sha256: str
    options: TokenizerOptions | None
    kind: Kind = "wordpiece"

    def with_options(self, options: TokenizerOptions | None) -> Identity:
        """The same vocabulary with other options."""
        return replace(self, options=options)

    def difference(self, other: Identity) -> tuple[str, str, str] | None:
        """What differs, how it is here, and there; None if nothing does.

        Case and accents are compared if both sides are known.
        """
        if self.vocab_sha256 != other.vocab_sha256:
            return "vocabulary", self._vocabulary(), other._vocabulary()
        if None not in (self.options, other.options) and self.options != other.options:
            return "casing", str(self.options), str(other.options)
        return None

    def _vocabulary(self) -> str:
        pieces = counted(self.pieces, "word piece" if self.kind == "wordpiece" else "token")
        kind = "" if self.kind == "wordpiece" else f" of {KIND_NAMES[self.kind]}"
        return f"{pieces}{kind}, sha256 {self.vocab_sha256[:12]}"

    def check_data(self, data: Identity, *, of: str, folder: Path, vocab: Path) -> None:
        """Makes sure that ids of prepared data mean what they mean to weights.

        Args:
          data: The tokenizer of the data; this one is that of the weights.
          of: What the weights are called.
          folder: The prepared folder.
          vocab: What `prepare-data --vocab` is to name for the same tokenizer.

        Raises:
          DataError: The two differ.
        """
        if (found := self.difference(data)) is None:
            return
        what, ours, theirs = found
        flags = f" {self.options.flags}" if self.options else ""
        path = shlex.quote(str(vocab))
        raise DataError(
            f"{folder} was prepared with another {what} ({theirs}) than that of {of} ({ours})",
            hint=f"electra prepare-data INPUT --vocab {path}{flags} --output DIR",
        )
