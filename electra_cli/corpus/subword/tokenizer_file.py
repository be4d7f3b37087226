"""A Hugging Face `tokenizer.json` as data: its kind, its tokens, and which of them are special.

Which token has which role stands in the files beside it; where none says, the token with a
well-known name has it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

from electra_cli.corpus.wordpiece.found_tokenizer import MOST_TOKENS, table_rows
from electra_cli.corpus.wordpiece.identity import Identity, Kind
from electra_cli.corpus.wordpiece.vocabulary import NAME_ONE, SpecialIds, free_slots
from electra_cli.corpus.wordpiece.vocabulary_folder import COPY_AGAIN, TOKENIZER_CONFIG_FILE
from electra_cli.errors import DataError, listed
from electra_cli.files.layout import INPUTS_FILE, MANIFEST_FILE
from electra_cli.files.record import read_json

SPECIAL_TOKENS_FILE = "special_tokens_map.json"
# What tokens of each role are called where nothing says it, the likeliest first.
NAMES: Mapping[str, Sequence[str]] = {
    "pad": ("[PAD]", "<pad>"),
    "unk": ("[UNK]", "<unk>"),
    "cls": ("[CLS]", "<s>", "<cls>"),
    "sep": ("[SEP]", "</s>", "<sep>"),
    "mask": ("[MASK]", "<mask>"),
}


class TokenizerFile:
    """What a `tokenizer.json` holds, before the library sees it.

    Args:
      path: The file; those beside it may tell roles and the rows of the word table.
      special: Ids of the special tokens where they are known already; else they are looked for.
      rows: Of the word table, likewise; 0 for as many as there are tokens, or as the model beside
        the file has.

    Attributes:
      path: The file.
      kind: How it makes tokens of words.
      tokens: In the order of their ids; an id that no token has is called [unusedN].
      slots: How many of those stand for ids without a token.
      special: Ids of the special tokens.

    Raises:
      InputMissingError: It cannot be opened.
      DataError: It is damaged, of another kind, or lacks a special token.
    """

    def __init__(self, path: Path, *, special: SpecialIds | None = None, rows: int = 0) -> None:
        self.path = path
        self._content = read_json(path, hint=COPY_AGAIN)
        model = self._content.get("model")
        if not isinstance(model, dict):
            raise DataError(f"{path} holds no tokenizer: it has no model", hint=NAME_ONE)
        self._model: Mapping[str, Any] = model
        self.kind = _kind(path, model)
        ids, self._merged = self._read()
        named = {number: token for token, number in ids.items()}
        told, size = _told(path)
        rows = max(max(named) + 1, rows or size or table_rows(path.parent))
        free = free_slots(ids)
        self.tokens = tuple(
            named[number] if number in named else next(free) for number in range(rows)
        )
        self.slots = rows - len(named)
        self.special = special or told or self._find_special(ids)

    def for_text(self) -> str:
        """The file as the library is to read it for texts without special tokens.

        Truncation, padding and the template of special tokens are left out, as is chance. Special
        tokens get names that no text has, since some kinds would find them in it: what looks like
        one is ordinary characters.
        """
        renamed = {
            self.tokens[number]: f"\ufdd0{role}"  # a noncharacter, which is in no text
            for role, number in self.special.model_dump(exclude_none=True).items()
        }
        # On copies: this is a description, and may be asked twice.
        content, model = dict(self._content), dict(self._model)
        content |= {"truncation": None, "padding": None, "post_processor": None, "model": model}
        content["added_tokens"] = [
            token | {"content": renamed[token["content"]], "special": True}
            if token["content"] in renamed
            else token
            for token in self._content.get("added_tokens") or []
        ]
        vocabulary = model["vocab"]
        if isinstance(vocabulary, dict):
            model["vocab"] = {renamed.get(t, t): number for t, number in vocabulary.items()}
        else:
            model["vocab"] = [[renamed.get(t, t), score] for t, score in vocabulary]
        if isinstance(unknown := model.get("unk_token"), str):
            model["unk_token"] = renamed.get(unknown, unknown)
        if "dropout" in model:
            model["dropout"] = None
        return json.dumps(content)

    @property
    def identity(self) -> Identity:
        """The tokenizer as it is compared with others: files may differ that give the same ids."""
        rules = json.dumps(json.loads(self.for_text()), sort_keys=True)
        sha256 = hashlib.sha256(rules.encode("utf-8")).hexdigest()
        return Identity(len(self.tokens), sha256, None, self.kind)

    def _read(self) -> tuple[dict[str, int], set[str]]:
        """The id of each token, added ones among them, and the tokens that are merged of others."""
        try:
            vocabulary = self._model["vocab"]
            if isinstance(vocabulary, dict):
                ids = {_text(token): _id(number) for token, number in vocabulary.items()}
            else:
                ids = {_text(token): number for number, (token, _) in enumerate(vocabulary)}
            for token in self._content.get("added_tokens") or []:
                ids[_text(token["content"])] = _id(token["id"])
            merged = {_merge(pair) for pair in self._model.get("merges") or []}
        except (KeyError, TypeError, ValueError) as error:
            raise DataError(
                f"{self.path} holds no vocabulary that can be read ({error!r})", hint=COPY_AGAIN
            ) from error
        if not ids:
            raise DataError(f"{self.path} holds no tokens", hint=NAME_ONE)
        first: dict[int, str] = {}
        for token, number in ids.items():
            if (other := first.setdefault(number, token)) != token:
                raise DataError(
                    f"{self.path}: {other!r} and {token!r} have the same id, {number}",
                    hint=COPY_AGAIN,
                )
        return ids, merged

    def _find_special(self, ids: Mapping[str, int]) -> SpecialIds:
        told = _names_beside(self.path)
        found: dict[str, int | None] = {"unk": None}
        missing = []
        unknown = self._unknown()
        if unknown is not None:
            told["unk"] = (unknown, self.path.name)
        for role, names in NAMES.items():
            if role in told:
                name, by = told[role]
                if name in ids:
                    found[role] = ids[name]
                else:
                    missing.append(f"{role}, which {by} calls {name!r}")
            elif here := [name for name in names if name in ids]:
                found[role] = ids[here[0]]
            elif role != "unk":
                missing.append(f"{role}, as {' or '.join(names)}")
        # Pieces of bytes stand for every text, so that nothing is unknown. All others ask their
        # model for it, whatever else the file holds.
        if unknown is None and self.kind != "bpe":
            missing.append("unk, which its model does not name")
        if missing:
            raise DataError(
                f"{self.path} lacks special tokens that pretraining needs: "
                f"{listed(missing, separator='; ')}",
                hint="add them with the library that made it (tokenizer.add_special_tokens) and "
                f"save it again, or name their roles in {SPECIAL_TOKENS_FILE} beside it, as "
                '{"cls_token": "<s>"}; or leave --vocab out to train one',
            )
        self._check_apart(found)
        return SpecialIds.model_validate(found)

    def _check_apart(self, found: Mapping[str, int | None]) -> None:
        """Makes sure that rows tell special tokens from each other and from text."""
        hint = f"name another token for it in {SPECIAL_TOKENS_FILE} beside the file"
        roles: dict[int, str] = {}
        for role in NAMES:
            number = found[role]
            if number is None:
                continue
            token = self.tokens[number]
            if (other := roles.setdefault(number, role)) != role:
                raise DataError(
                    f"{self.path}: {token!r} is the token for {other} and for {role}, and rows "
                    "could not tell them apart",
                    hint=hint,
                )
            if len(token) == 1 or token in self._merged:
                raise DataError(
                    f"{self.path}: the token for {role} is {token!r}, which text has too",
                    hint=hint,
                )

    def _unknown(self) -> str | None:
        """The token that the model gives where it has none; None if it says nothing of it."""
        number = self._model.get("unk_id")
        if isinstance(number, int) and 0 <= number < len(self._model["vocab"]):
            return str(self._model["vocab"][number][0])
        name = self._model.get("unk_token", "[UNK]" if self.kind == "wordpiece" else None)
        return name if isinstance(name, str) and name else None


def _kind(path: Path, model: Mapping[str, Any]) -> Kind:
    # Files of old name no type; what they hold differs even so.
    name = model.get("type") or (
        "BPE" if "merges" in model else "Unigram" if isinstance(model.get("vocab"), list) else ""
    )
    for kind in get_args(Kind):
        if str(name).lower() == kind:
            found: Kind = kind
            return found
    raise DataError(
        f"{path} holds a {name or 'nameless'} tokenizer, and only WordPiece, BPE and Unigram can "
        "be used",
        hint=NAME_ONE,
    )


def _id(value: Any) -> int:
    if type(value) is not int or not 0 <= value < MOST_TOKENS:
        raise ValueError(f"id {value!r} is not an integer below {MOST_TOKENS:,}")
    return value


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{value!r} is no token")
    return value


def _merge(pair: Any) -> str:
    """The token that a merge makes: of two in a list, or with a space between them."""
    left, right = pair.split(" ", 1) if isinstance(pair, str) else pair
    return _text(left) + _text(right)


def _names_beside(path: Path) -> dict[str, tuple[str, str]]:
    """By role the name of its token and the file that says it."""
    found: dict[str, tuple[str, str]] = {}
    for name in (SPECIAL_TOKENS_FILE, TOKENIZER_CONFIG_FILE):
        file = path.with_name(name)
        settings = read_json(file, hint=COPY_AGAIN) if file.is_file() else {}
        for role in NAMES:
            token = settings.get(f"{role}_token")
            token = token.get("content") if isinstance(token, dict) else token
            if token is None:
                continue
            if not isinstance(token, str):
                raise DataError(f"{file}: {role}_token is {token!r}, no token", hint=COPY_AGAIN)
            found[role] = token, name
    return found


def _told(path: Path) -> tuple[SpecialIds | None, int]:
    """Special tokens and rows as our own files beside it say: of prepared data, a run, a model."""
    for name in (MANIFEST_FILE, INPUTS_FILE):
        file = path.with_name(name)
        content = read_json(file, hint=COPY_AGAIN) if file.is_file() else {}
        vocabulary = content.get("vocab", {})
        if not isinstance(vocabulary, dict) or vocabulary.get("file", path.name) != path.name:
            continue
        if "special_ids" in content:
            try:
                special = SpecialIds.model_validate(content["special_ids"])
                return special, _id(vocabulary.get("size", 0))
            except ValueError as error:  # of pydantic too
                raise DataError(f"{file} is damaged: {error}", hint=COPY_AGAIN) from error
    return None, 0
