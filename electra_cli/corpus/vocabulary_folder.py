"""WordPiece tokenizers in the folders that Hugging Face's `save_pretrained` writes.

Their word pieces are taken over, and whether case and accents matter. All other rules have to be
BERT's, which the reference follows too: with others the ids would not be those of the folder. One
difference is let pass, as it is in every folder: there a word of more than 100 characters becomes
[UNK], and in the reference one of more than 200.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from electra_cli.errors import DataError, InputMissingError

TOKENIZER_FILE = "tokenizer.json"
CONFIG_FILE = "tokenizer_config.json"
VOCABULARY_FILE = "vocab.txt"

# A million word pieces take a tenth of it.
MOST_BYTES = 256 * 2**20

_PREFIX, _UNKNOWN = "##", "[UNK]"
# Files of other kinds of tokenizers, for a message.
_OTHER_KINDS = {
    "merges.txt": "BPE",
    "vocab.json": "BPE",
    "spiece.model": "SentencePiece",
    "tokenizer.model": "SentencePiece",
    "sentencepiece.bpe.model": "SentencePiece",
}
_HINT = "give a folder with a WordPiece tokenizer, as of BERT or ELECTRA, or a vocab.txt"

_WORD_LENGTHS = (100, 200)
# Classes whose vocab.txt goes with BERT's rules, without Tokenizer or TokenizerFast.
_BERT_CLASSES = ("Bert", "ConvBert", "DistilBert", "Electra", "LayoutLM", "Lxmert", "MobileBert")


@dataclass(frozen=True)
class Casing:
    """What a tokenizer does to text before it looks for word pieces."""

    lowercase: bool
    strip_accents: bool


def find_vocabulary(folder: Path) -> Path:
    """The `tokenizer.json` of a folder, or else its `vocab.txt`.

    Raises:
      InputMissingError: Its settings cannot be opened.
      DataError: It has neither, or its settings are not BERT's.
    """
    for name in (TOKENIZER_FILE, VOCABULARY_FILE):
        if (folder / name).is_file():
            if (folder / CONFIG_FILE).is_file():
                config = _read_json(folder / CONFIG_FILE)
                alone = name == VOCABULARY_FILE
                _refuse(folder / CONFIG_FILE, _config_differences(config, alone=alone))
            return folder / name
    names = sorted(entry.name for entry in folder.iterdir())
    kinds = sorted({_OTHER_KINDS[name] for name in names if name in _OTHER_KINDS})
    if kinds:
        raise DataError(f"{folder} holds a {kinds[0]} tokenizer, not a WordPiece one", hint=_HINT)
    shown = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if names[3:] else "")
    raise DataError(
        f"{folder} holds no tokenizer: no {TOKENIZER_FILE} and no {VOCABULARY_FILE}, but "
        f"{shown or 'nothing'}",
        hint=_HINT,
    )


def tokenizer_tokens(path: Path) -> list[str]:
    """The tokens of a `tokenizer.json` in the order of their ids, added ones among them.

    Raises:
      InputMissingError: It cannot be opened.
      DataError: It is damaged, holds another kind of tokenizer than WordPiece, or one with other
        rules than BERT's, has gaps between its ids, or a token that cannot be a line of a
        vocabulary file.
    """
    content = _read_json(path)
    model = content.get("model")
    if not isinstance(model, dict):
        raise DataError(f"{path} holds no tokenizer: it has no model", hint=_HINT)
    # Files of the first versions do not name the type, but only WordPiece has this key.
    kind = model.get("type") or ("WordPiece" if "max_input_chars_per_word" in model else "nameless")
    if kind != "WordPiece":
        raise DataError(f"{path} holds a {kind} tokenizer, not a WordPiece one", hint=_HINT)
    prefix = model.get("continuing_subword_prefix")
    if prefix != _PREFIX:
        raise DataError(
            f"{path}: pieces that continue a word begin with {prefix!r}, not with {_PREFIX!r}",
            hint=_HINT,
        )
    _refuse(path, _differences(content, model))
    try:
        ids = {str(token): int(number) for token, number in model["vocab"].items()}
        ids |= {
            str(token["content"]): int(token["id"]) for token in content.get("added_tokens", [])
        }
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise DataError(
            f"{path} holds no vocabulary that can be read ({error!r})", hint=_HINT
        ) from error
    tokens = sorted(ids, key=lambda token: ids[token])
    for expected, token in enumerate(tokens):
        if ids[token] != expected:
            what = f"two tokens have id {ids[token]}"
            if ids[token] > expected:
                what = f"no token has id {expected}, although {token!r} has {ids[token]}"
            raise DataError(f"{path}: {what}", hint="the ids must be 0, 1, 2 … without gaps")
        if not token or token != token.strip(" \t\r\n") or "\n" in token:
            raise DataError(
                f"{path}: token {token!r} cannot be a line of a vocabulary file", hint=_HINT
            )
    return tokens


def folder_casing(path: Path) -> Casing | None:
    """How the tokenizer of a folder treats case and accents.

    `tokenizer_config.json` is asked first, as its own library does, then `tokenizer.json`. Accents
    that nothing is said of are stripped where text is lower-cased.

    Args:
      path: A tokenizer folder.

    Returns:
      None for a path that is no folder, or if neither file says.

    Raises:
      InputMissingError: A file cannot be opened.
      DataError: A file is no JSON object, or holds another kind of value there.
    """
    lowercase = strip_accents = None
    for name in (CONFIG_FILE, TOKENIZER_FILE):
        if not (path / name).is_file():
            continue
        found = _read_json(path / name)
        if name == TOKENIZER_FILE:
            found = _bert_normalizer(found.get("normalizer"))
        told = [found.get("do_lower_case", found.get("lowercase")), found.get("strip_accents")]
        if any(value not in (None, True, False) for value in told):
            raise DataError(
                f"{path / name}: lower-casing and stripping of accents are {told[0]!r} and "
                f"{told[1]!r}; each must be true, false or null",
                hint="correct the file, or give its vocab.txt instead of the folder",
            )
        lowercase = told[0] if lowercase is None else lowercase
        strip_accents = told[1] if strip_accents is None else strip_accents
    if lowercase is None:
        return None
    return Casing(lowercase, lowercase if strip_accents is None else strip_accents)


def _bert_normalizer(normalizer: Any) -> dict[str, Any]:
    """The settings of a BertNormalizer, alone or within a sequence; empty if there is none."""
    if not isinstance(normalizer, dict):
        return {}
    if normalizer.get("type") == "BertNormalizer":
        return normalizer
    parts = normalizer.get("normalizers")
    found = map(_bert_normalizer, parts if isinstance(parts, list) else [])
    return next(filter(None, found), {})


def _differences(content: dict[str, Any], model: dict[str, Any]) -> list[str]:
    """What makes a tokenizer give other ids than BERT's."""
    found = []
    normalizer = _only_part(content.get("normalizer"), "normalizers")
    if _kind(normalizer) != "BertNormalizer":
        found.append(f"its normalizer is {_name(normalizer)}, not BertNormalizer")
    else:
        found += [
            f"its BertNormalizer has {name} = {normalizer[name]!r}"
            for name in ("clean_text", "handle_chinese_chars")
            if normalizer.get(name, True) is not True
        ]
    splitter = _only_part(content.get("pre_tokenizer"), "pretokenizers")
    if _kind(splitter) != "BertPreTokenizer":
        found.append(f"its pre-tokenizer is {_name(splitter)}, not BertPreTokenizer")
    longest = model.get("max_input_chars_per_word", _WORD_LENGTHS[0])
    if longest not in _WORD_LENGTHS:
        found.append(f"max_input_chars_per_word is {longest!r}, not {_WORD_LENGTHS[0]}")
    unknown = model.get("unk_token", _UNKNOWN)
    if unknown != _UNKNOWN:
        found.append(f"unk_token is {unknown!r}, not {_UNKNOWN!r}")
    return found


def _config_differences(config: dict[str, Any], *, alone: bool) -> list[str]:
    """The same of a `tokenizer_config.json`.

    Args:
      config: Its content.
      alone: Whether there is no `tokenizer.json`, which overrules most of it.
    """
    found = []
    if config.get("tokenize_chinese_chars", True) is not True:
        found.append(f"tokenize_chinese_chars is {config['tokenize_chinese_chars']!r}")
    if not alone:
        return found
    kind = config.get("tokenizer_class")
    short = str(kind).removesuffix("Fast").removesuffix("Tokenizer")
    if kind is not None and short not in _BERT_CLASSES:
        found.append(f"tokenizer_class is {kind!r}")
    if config.get("do_basic_tokenize", True) is not True:
        found.append(f"do_basic_tokenize is {config['do_basic_tokenize']!r}")
    if config.get("never_split"):
        found.append(f"never_split is {config['never_split']!r}")
    return found


def _refuse(path: Path, differences: list[str]) -> None:
    if differences:
        raise DataError(
            f"{path} does not tokenize as BERT does, so the ids would not be those of its folder: "
            f"{'; '.join(differences)}",
            hint="to use its word pieces by BERT's rules all the same, write them to a file, one "
            "a line in the order of their ids, and give that to --vocab",
        )


def _only_part(step: Any, parts: str) -> Any:
    """A step, or what is in it if it is a sequence of one."""
    while _kind(step) == "Sequence" and isinstance(step.get(parts), list) and len(step[parts]) == 1:
        step = step[parts][0]
    return step


def _kind(step: Any) -> Any:
    return step.get("type") if isinstance(step, dict) else step


def _name(step: Any) -> str:
    """A step in words."""
    for parts in ("normalizers", "pretokenizers"):
        if isinstance(step, dict) and isinstance(step.get(parts), list):
            return f"a sequence of {', '.join(map(_name, step[parts])) or 'nothing'}"
    return "missing" if step is None else str(_kind(step))


def _read_json(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            raw = file.read(MOST_BYTES + 1)
        if len(raw) > MOST_BYTES:
            raise DataError(f"{path} has more than {MOST_BYTES:,} bytes: no tokenizer", hint=_HINT)
        content = json.loads(raw.decode("utf-8"))
    except OSError as error:
        raise InputMissingError(f"{path} cannot be read ({error.strerror})") from error
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path} is not valid JSON ({error})", hint=_HINT) from error
    if not isinstance(content, dict):
        raise DataError(f"{path} is no JSON object", hint=_HINT)
    return content
