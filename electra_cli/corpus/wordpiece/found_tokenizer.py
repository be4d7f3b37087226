"""A tokenizer that lies somewhere: its word pieces, and what beside them belongs to it.

Case and accents stand in other files than the word pieces, as do tokens that were added later and
the rows of the word table that no token has. `--vocab FOLDER/vocab.txt` means them as well as
`--vocab FOLDER` does.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from electra_cli.corpus.wordpiece.identity import Identity, TokenizerOptions
from electra_cli.corpus.wordpiece.vocabulary import (
    check_tokens,
    free_slots,
    read_lines,
    vocabulary_sha256,
)
from electra_cli.corpus.wordpiece.vocabulary_folder import (
    TOKENIZER_CONFIG_FILE,
    TOKENIZER_FILE,
    bert_normalizer,
    check_line,
    check_rules,
    find_vocabulary,
    tokenizer_tokens,
)
from electra_cli.errors import DataError
from electra_cli.files.layout import MANIFEST_FILE
from electra_cli.files.record import read_json

ADDED_FILE = "added_tokens.json"
MODEL_FILE = "config.json"
# Folders of the two networks within that of a model: those of `electra export`, and of others.
NETWORK_FOLDERS = ("discriminator", "generator", "discriminator_model", "generator_model")

# A number in a file from elsewhere asks for no more memory than this, far more than models have.
MOST_TOKENS = 10_000_000
# Classes that take tokenizer.json as it is, where those of BERT go by their own settings.
_PLAIN_CLASSES = ("PreTrainedTokenizerFast", "TokenizersBackend")


@dataclass(frozen=True)
class FoundTokenizer:
    """What was found.

    Attributes:
      path: The file of its word pieces.
      tokens: Its tokens in the order of their ids.
      slots: How many [unusedN] were put behind them, for rows of the word table without a token.
      options: What it does to case and accents; None where nothing says.
      told_by: The file that says it.
    """

    path: Path
    tokens: list[str]
    slots: int
    options: TokenizerOptions | None
    told_by: Path | None

    @property
    def own_tokens(self) -> list[str]:
        """The tokens without those slots."""
        return self.tokens[: len(self.tokens) - self.slots]

    @property
    def notes(self) -> list[str]:
        """What one should know of the tokens, in sentences."""
        if not self.slots:
            return []
        return [
            f"{self.path} has {len(self.own_tokens):,} word pieces and its model "
            f"{len(self.tokens):,} rows for them: the others are called [unusedN]"
        ]

    def filled(self, rows: int) -> FoundTokenizer:
        """The same with as many tokens as the word table has rows, if it has fewer."""
        free = free_slots(set(self.tokens))
        more = [next(free) for _ in range(rows - len(self.tokens))]
        return replace(self, tokens=[*self.tokens, *more], slots=self.slots + len(more))

    @property
    def identity(self) -> Identity:
        """The tokenizer as it is compared with others."""
        return Identity(len(self.tokens), vocabulary_sha256(self.tokens), self.options)


def read_tokenizer(path: Path, *, any_rules: bool = False) -> FoundTokenizer:
    """Reads a tokenizer.

    Args:
      path: A vocabulary's file of one word piece a line, a tokenizer.json, or a folder with one of
        them: of a Hugging Face tokenizer, a prepared folder, or the `data` of a run.
      any_rules: Whether the tokenizer of a folder may have other rules than BERT's, which the
        reference has too; a file of word pieces never says.

    Raises:
      InputMissingError: It is not there or cannot be opened.
      OtherRulesError: It is another tokenizer than BERT's.
      DataError: It is no vocabulary, or something beside it is damaged.
    """
    found = find_vocabulary(path) if path.is_dir() else path
    is_json = found.suffix == ".json"
    tokens = tokenizer_tokens(found) if is_json else read_lines(found)
    if (path.is_dir() or is_json) and not any_rules:
        check_rules(found)
    _place_added(found, tokens)
    check_tokens(found, tokens)
    options, told_by = _options_beside(found)
    return FoundTokenizer(found, tokens, 0, options, told_by).filled(table_rows(found.parent))


def choose_options(
    found: FoundTokenizer, *, lowercase: bool | None, strip_accents: bool | None
) -> tuple[TokenizerOptions, list[str]]:
    """How text is normalised: as an option says, else as the tokenizer says, else without either.

    Args:
      found: The tokenizer that was brought.
      lowercase: What an option says of case; None if none is given.
      strip_accents: The same of accents.

    Returns:
      The choice, and in sentences where it and the word pieces of the tokenizer come from.
    """
    told = found.options
    default = told or TokenizerOptions(lowercase=True, strip_accents=True)
    given = {"lowercase": lowercase, "strip_accents": strip_accents}
    chosen = default.model_copy(update={k: v for k, v in given.items() if v is not None})
    sources = [
        f"--{'' if value else 'no-'}{name.replace('_', '-')}"
        for name, value in given.items()
        if value is not None
    ]
    if len(sources) < len(given):
        sources.append(
            str(found.told_by) if told else f"the defaults, as nothing beside {found.path} says"
        )
    return chosen, [f"casing from {' and '.join(sources)}: {chosen}", *found.notes]


def table_rows(folder: Path) -> int:
    """The rows of the word table that the model in a folder has; 0 if none is told.

    Raises:
      DataError: `config.json` is damaged.
    """
    for path in (folder / name / MODEL_FILE for name in ("", *NETWORK_FOLDERS)):
        config = read_json(path, hint=_COPY_AGAIN) if path.is_file() else {}
        network = config.get("discriminator")  # as a checkpoint of the reference is exported
        rows = (network if isinstance(network, dict) else config).get("vocab_size")
        rows = 0 if rows is None else rows
        if type(rows) is not int or not 0 <= rows <= MOST_TOKENS:
            raise DataError(
                f"{path}: vocab_size is {rows!r}, not an integer up to {MOST_TOKENS:,}",
                hint="copy it again, or copy the vocabulary to a folder of its own",
            )
        if rows:
            return rows
    return 0


def _place_added(vocabulary: Path, tokens: list[str]) -> None:
    """Puts tokens that were added later where their ids are, which is behind all others."""
    folder = vocabulary.parent
    for name in (ADDED_FILE, TOKENIZER_CONFIG_FILE):
        path = folder / name
        if not path.is_file():
            continue
        content = read_json(path, hint=_COPY_AGAIN)
        try:
            if name == TOKENIZER_CONFIG_FILE:
                decoder = content.get("added_tokens_decoder") or {}
                ids = {int(number): str(token["content"]) for number, token in decoder.items()}
            else:
                ids = {int(number): str(token) for token, number in content.items()}
        except (TypeError, ValueError, KeyError, AttributeError, OverflowError) as error:
            raise DataError(
                f"{path} names no tokens and their ids ({error!r})", hint=_COPY_AGAIN
            ) from error
        for number, token in sorted(ids.items()):
            check_line(path, token)
            place = tokens.index(token) if token in tokens else max(number, len(tokens))
            if place != number or number > MOST_TOKENS:
                raise DataError(
                    f"{path}: {token!r} has the id {number}, which is not its place behind or in "
                    f"{vocabulary.name}",
                    hint=_COPY_AGAIN,
                )
            if token not in tokens:
                free = free_slots({*tokens, *ids.values()})
                tokens += [next(free) for _ in range(number - len(tokens))]
                tokens.append(token)


def _options_beside(vocabulary: Path) -> tuple[TokenizerOptions | None, Path | None]:
    """What lies beside a vocabulary says of case and accents, and which file it is.

    A `tokenizer_config.json` goes before `tokenizer.json`, and one that says nothing means what its
    own library does then: text is lower-cased. Accents that nothing is said of go with case.
    """
    folder = vocabulary.parent
    config, tokenizer, manifest = (
        read_json(folder / name, hint=_COPY_AGAIN) if (folder / name).is_file() else None
        for name in (TOKENIZER_CONFIG_FILE, TOKENIZER_FILE, MANIFEST_FILE)
    )
    as_it_is = bool(tokenizer) and (config or {}).get("tokenizer_class") in _PLAIN_CLASSES
    accents = _truth(
        folder / TOKENIZER_CONFIG_FILE, {} if as_it_is else config or {}, "strip_accents"
    )
    told = [
        (TOKENIZER_CONFIG_FILE, config or {}, "do_lower_case"),
        (TOKENIZER_FILE, bert_normalizer((tokenizer or {}).get("normalizer")), "lowercase"),
    ]
    if as_it_is:
        told.reverse()
    if manifest and _is_of(manifest, vocabulary):
        told.append((MANIFEST_FILE, manifest["tokenizer"], "lowercase"))
    if config is not None:
        told.append((TOKENIZER_CONFIG_FILE, {"lowercase": True}, "lowercase"))
    for name, settings, key in told:
        lowercase = _truth(folder / name, settings, key)
        if lowercase is None:
            continue
        for strip in (accents, _truth(folder / name, settings, "strip_accents"), lowercase):
            if strip is not None:
                options = TokenizerOptions(lowercase=lowercase, strip_accents=strip)
                return options, folder / name
    return None, None


def _is_of(manifest: dict[str, Any], vocabulary: Path) -> bool:
    """Whether a manifest is that of the prepared data, or of the run, that a vocabulary is of."""
    file, options = manifest.get("vocab"), manifest.get("tokenizer")
    return (
        isinstance(options, dict) and isinstance(file, dict) and file.get("file") == vocabulary.name
    )


def _truth(path: Path, settings: dict[str, Any], key: str) -> bool | None:
    value = settings.get(key)
    if value is None or value is True or value is False:
        return value
    raise DataError(
        f"{path}: {key} is {value!r}, not true, false or null",
        hint="correct it, or move it away and say --lowercase or --no-lowercase",
    )


_COPY_AGAIN = "copy the whole folder again, or name a folder with the vocabulary alone"
