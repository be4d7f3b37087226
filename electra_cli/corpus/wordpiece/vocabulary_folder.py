"""WordPiece tokenizers in the folders that Hugging Face's `save_pretrained` writes.

Their word pieces are taken over, and whether case and accents matter. All other rules have to be
BERT's, which the reference follows too: with others the ids would not be those of the folder. One
difference is let pass, as it is in every folder: there a word of more than 100 characters becomes
[UNK], and in the reference one of more than 200.
"""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

from electra_cli.corpus.wordpiece.vocabulary import NAME_ONE, SPECIAL_TOKENS, OtherRulesError
from electra_cli.errors import DataError, listed
from electra_cli.files.layout import VOCABULARY_FILE
from electra_cli.files.record import read_json

TOKENIZER_FILE = "tokenizer.json"
TOKENIZER_CONFIG_FILE = "tokenizer_config.json"

_PREFIX, _UNKNOWN = "##", "[UNK]"
# What to do about a damaged one.
COPY_AGAIN = "copy the file again, or save it again with the library that made it"

_WORD_LENGTHS = (100, 200)
# What BertNormalizer does, one step after the other, as `electra export` writes it.
_OWN_NORMALIZER = re.compile(
    "Replace(?P<lowercase> Replace Lowercase)?(?P<strip_accents>( Replace)* NFD Replace)?"
)
# Classes whose vocab.txt goes with BERT's rules, without Tokenizer or TokenizerFast.
_BERT_CLASSES = ("Bert", "ConvBert", "DistilBert", "Electra", "LayoutLM", "Lxmert", "MobileBert")


def has_tokenizer(folder: Path) -> bool:
    """Whether a folder holds word pieces in a file that is known."""
    return any((folder / name).is_file() for name in (TOKENIZER_FILE, VOCABULARY_FILE))


def find_vocabulary(folder: Path) -> Path:
    """The `tokenizer.json` of a folder, or else its `vocab.txt`.

    Raises:
      DataError: It has neither.
    """
    for name in (TOKENIZER_FILE, VOCABULARY_FILE):
        if (folder / name).is_file():
            return folder / name
    names = sorted(entry.name for entry in folder.iterdir())
    inside = [folder / name for name in names if has_tokenizer(folder / name)]
    raise DataError(
        f"{folder} holds no tokenizer: no {TOKENIZER_FILE} and no {VOCABULARY_FILE}, but "
        f"{listed(names) or 'nothing'}",
        hint=f"name {inside[0]}, which has one" if inside else NAME_ONE,
    )


def check_rules(vocabulary: Path) -> None:
    """Makes sure that the tokenizer of a folder splits text by BERT's rules.

    Args:
      vocabulary: Its `tokenizer.json` or `vocab.txt`.

    Raises:
      InputMissingError: Its settings cannot be opened.
      DataError: It has other rules, or its settings are damaged.
    """
    path = vocabulary.with_name(TOKENIZER_CONFIG_FILE)
    alone = vocabulary.name == VOCABULARY_FILE
    if path.is_file():
        _refuse(path, _config_differences(read_json(path, hint=COPY_AGAIN), alone=alone))
    if not alone:
        content = read_json(vocabulary, hint=COPY_AGAIN)
        _refuse(vocabulary, _differences(content, content["model"]))


def tokenizer_tokens(path: Path) -> list[str]:
    """The tokens of a `tokenizer.json` in the order of their ids, added ones among them.

    Raises:
      InputMissingError: It cannot be opened.
      DataError: It is damaged, holds another kind of tokenizer than WordPiece, has gaps between
        its ids, or a token that cannot be a line of a vocabulary file.
    """
    content = read_json(path, hint=COPY_AGAIN if path.is_file() else NAME_ONE)
    model = content.get("model")
    if not isinstance(model, dict):
        raise DataError(f"{path} holds no tokenizer: it has no model", hint=NAME_ONE)
    kind = model.get("type", "nameless")
    if kind != "WordPiece":
        raise OtherRulesError(
            f"{path} holds a {kind} tokenizer, not a WordPiece one", hint=NAME_ONE
        )
    prefix = model.get("continuing_subword_prefix")
    if prefix != _PREFIX:
        raise OtherRulesError(
            f"{path}: pieces that continue a word begin with {prefix!r}, not with {_PREFIX!r}",
            hint=NAME_ONE,
        )
    try:
        ids = {str(token): int(number) for token, number in model["vocab"].items()}
        ids |= {
            str(token["content"]): int(token["id"]) for token in content.get("added_tokens", [])
        }
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise DataError(
            f"{path} holds no vocabulary that can be read ({error!r})", hint=COPY_AGAIN
        ) from error
    tokens = sorted(ids, key=lambda token: ids[token])
    for expected, token in enumerate(tokens):
        if ids[token] != expected:
            raise OtherRulesError(
                f"{path}: {token!r} has the id {ids[token]}, and id {expected} comes next",
                hint="the ids must be 0, 1, 2 … without gaps",
            )
        check_line(path, token)
    return tokens


def check_line(path: Path, token: str) -> None:
    """Makes sure that a token of a JSON file can be a line of a vocabulary's file.

    Raises:
      DataError: It is blank, or begins or ends with white space.
    """
    if not token or token != token.strip(" \t\r\n") or "\n" in token:
        raise OtherRulesError(
            f"{path}: token {token!r} cannot be a line of a vocabulary file", hint=NAME_ONE
        )


def bert_normalizer(normalizer: Any) -> dict[str, Any]:
    """The settings of a BertNormalizer, alone, within a sequence, or as steps; empty if none is."""
    if not isinstance(normalizer, dict):
        return {}
    if normalizer.get("type") == "BertNormalizer":
        return normalizer
    if own := _OWN_NORMALIZER.fullmatch(_kinds(normalizer, "normalizers")):
        return {"lowercase": bool(own["lowercase"]), "strip_accents": bool(own["strip_accents"])}
    parts = normalizer.get("normalizers")
    found = map(bert_normalizer, parts if isinstance(parts, list) else [])
    return next(filter(None, found), {})


def _differences(content: dict[str, Any], model: dict[str, Any]) -> list[str]:
    """What makes a tokenizer give other ids than BERT's."""
    found = []
    normalizer = _only_part(content.get("normalizer"), "normalizers")
    splitter = _only_part(content.get("pre_tokenizer"), "pretokenizers")
    if not _is_ours(content.get("normalizer"), content.get("pre_tokenizer")):
        if _kind(normalizer) != "BertNormalizer":
            found.append(f"its normalizer is {_kind(normalizer)}, not BertNormalizer")
        else:
            found += [
                f"its BertNormalizer has {name} = {normalizer[name]!r}"
                for name in ("clean_text", "handle_chinese_chars")
                if normalizer.get(name, True) is not True
            ]
        if _kind(splitter) != "BertPreTokenizer":
            found.append(f"its pre-tokenizer is {_kind(splitter)}, not BertPreTokenizer")
    longest = model.get("max_input_chars_per_word", _WORD_LENGTHS[0])
    if longest not in _WORD_LENGTHS:
        found.append(f"max_input_chars_per_word is {longest!r}, not {_WORD_LENGTHS[0]}")
    unknown = model.get("unk_token", _UNKNOWN)
    if unknown != _UNKNOWN:
        found.append(f"unk_token is {unknown!r}, not {_UNKNOWN!r}")
    added = [str(token["content"]) for token in content.get("added_tokens", [])]
    if more := [token for token in added if token not in SPECIAL_TOKENS]:
        found.append(f"it has added tokens: {listed(more, 5)}")
    return found


def _is_ours(normalizer: Any, splitter: Any) -> bool:
    """Whether `electra export` wrote these, now or when it put one step before a BertNormalizer."""
    steps = _kinds(normalizer, "normalizers")
    if steps == "Replace BertNormalizer" and _kind(splitter) == "BertPreTokenizer":
        return normalizer["normalizers"][0].get("content") == "ς"
    return bool(
        _OWN_NORMALIZER.fullmatch(steps)
        and _kinds(splitter, "pretokenizers") == "WhitespaceSplit Split"
    )


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
        file = path.with_name(VOCABULARY_FILE)
        vocab = shlex.quote(str(file))
        raise OtherRulesError(
            f"{path} does not tokenize as BERT does, so the ids would not be those of its folder: "
            f"{'; '.join(differences)}",
            hint=f"--vocab {vocab} uses its word pieces by BERT's rules all the same"
            if file.is_file()
            else "to use its word pieces by BERT's rules all the same, write them to a file, one "
            "a line in the order of their ids, and give that to --vocab",
        )


def _only_part(step: Any, parts: str) -> Any:
    """A step, or what is in it if it is a sequence of one."""
    while _kind(step) == "Sequence" and isinstance(step.get(parts), list) and len(step[parts]) == 1:
        step = step[parts][0]
    return step


def _kinds(step: Any, parts: str) -> str:
    """What a sequence consists of; empty for another step."""
    found = step.get(parts) if isinstance(step, dict) else None
    return " ".join(str(_kind(part)) for part in found) if isinstance(found, list) else ""


def _kind(step: Any) -> Any:
    return step.get("type") if isinstance(step, dict) else step
