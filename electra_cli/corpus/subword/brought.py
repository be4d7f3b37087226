"""The tokenizer that `--vocab` names: ours where it follows BERT's rules, else the library's."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from electra_cli.corpus.subword.open import TextIds
from electra_cli.corpus.wordpiece.found_tokenizer import choose_options, read_tokenizer
from electra_cli.corpus.wordpiece.identity import KIND_NAMES, TokenizerOptions
from electra_cli.corpus.wordpiece.vocabulary import OtherRulesError
from electra_cli.corpus.wordpiece.vocabulary_folder import find_vocabulary
from electra_cli.corpus.wordpiece.wordpiece_tokenizer import WordPieceTokenizer
from electra_cli.errors import ConfigError, counted

_RARE = "\U000101d1"  # of the Phaistos disc, which no vocabulary has


@dataclass(frozen=True)
class Brought:
    """What was found.

    Attributes:
      tokenizer: Makes ids of texts.
      options: What is done to case and accents; None where the tokenizer itself decides.
      notes: What one should know, in sentences.
    """

    tokenizer: TextIds
    options: TokenizerOptions | None
    notes: list[str]


def bring(
    path: Path, *, lowercase: bool | None = None, strip_accents: bool | None = None
) -> Brought:
    """Opens a tokenizer that lies somewhere.

    Args:
      path: A vocabulary's file, a tokenizer.json, or a folder with one of them.
      lowercase: What an option says of case; None if none is given.
      strip_accents: The same of accents.

    Raises:
      InputMissingError: It is not there or cannot be opened.
      ConfigError: An option is given that contradicts a tokenizer with rules of its own.
      DataError: It is no tokenizer, is damaged, or lacks a special token.
    """
    try:
        found = read_tokenizer(path)
    except OtherRulesError as error:
        file = find_vocabulary(path) if path.is_dir() else path
        if file.suffix != ".json":
            raise
        return _of_library(file, error, {"lowercase": lowercase, "strip-accents": strip_accents})
    options, notes = choose_options(found, lowercase=lowercase, strip_accents=strip_accents)
    return Brought(WordPieceTokenizer(found.tokens, options), options, notes)


def _of_library(file: Path, error: OtherRulesError, options: dict[str, bool | None]) -> Brought:
    from electra_cli.corpus.subword.library import LibraryTokenizer

    tokenizer = LibraryTokenizer(file)
    for name, value in options.items():
        if value is not None:
            option = f"--{'' if value else 'no-'}{name}"
            raise ConfigError(
                f"{option} cannot be: the normalizer of {file} decides about case and accents",
                hint=f"leave {option} out, or bring a vocab.txt",
            )
    kind = KIND_NAMES[tokenizer.kind]
    notes = [
        f"{file} is a {kind} tokenizer of {counted(len(tokenizer.tokens), 'token')}, which the "
        "library tokenizers applies"
    ]
    if tokenizer.kind == "wordpiece":
        notes[0] += f", since the faster one of electra has other rules: {error.message}"
    bare, followed = tokenizer.ids(["a", f"a{_RARE}"])
    if bare.tolist() == followed.tolist():
        notes.append(f"{file} leaves out characters that it does not know, and nothing counts them")
    if tokenizer.slots:
        notes.append(
            f"{counted(tokenizer.slots, 'id')} of the model have no token there and are called "
            "[unusedN]"
        )
    return Brought(tokenizer, None, notes)
