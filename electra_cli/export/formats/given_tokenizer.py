"""A tokenizer that is no WordPiece of ours, exported as it was given.

Its file stays what it is, byte for byte. What it lacks, the rows of the training had all the same:
[CLS] before the first text and [SEP] behind each. Where its own template puts others, or none, the
model card has the lines of Python that put these.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

from tokenizers import Tokenizer

from electra_cli.corpus.subword.open import TextIds
from electra_cli.corpus.wordpiece.vocabulary_folder import TOKENIZER_CONFIG_FILE

_WORDS = ("the", "cat", "sat")


def write_given(tokenizer: TextIds, folder: Path, *, max_length: int) -> None:
    """Writes tokenizer.json, and a tokenizer_config.json that says the role of special tokens.

    Args:
      tokenizer: What was trained with.
      folder: Is there already.
      max_length: Tokens that a row may have.
    """
    (folder / tokenizer.file).write_bytes(tokenizer.content)
    roles = {
        f"{role}_token": tokenizer.tokens[number]
        for role, number in tokenizer.special.model_dump(exclude_none=True).items()
    }
    config = {
        # Other classes would put rules of their own in the place of those of the file.
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": max_length,
        "model_input_names": ["input_ids", "token_type_ids", "attention_mask"],
        "clean_up_tokenization_spaces": False,
        **roles,
    }
    text = json.dumps(config, indent=2, ensure_ascii=False) + "\n"
    (folder / TOKENIZER_CONFIG_FILE).write_text(text, encoding="utf-8")


def adds_special(tokenizer: TextIds) -> bool:
    """Whether the file's own template makes rows as the training had them, of one text and two."""
    given, ids = _opened(tokenizer.content), tokenizer.special
    for texts in (_WORDS[:1], _WORDS[:2]):
        parts = [part.tolist() for part in tokenizer.ids(texts)]
        expected, segments = [ids.cls], [0]
        for segment, part in enumerate(parts):
            expected += [*part, ids.sep]
            segments += [segment] * (len(part) + 1)
        found = given.encode(*texts)
        if (found.ids, found.type_ids) != (expected, segments):
            return False
    return True


def splits_words(tokenizer: TextIds) -> bool:
    """Whether words that are given one by one get the ids that they have within a sentence."""
    found = _opened(tokenizer.content).encode(
        list(_WORDS), is_pretokenized=True, add_special_tokens=False
    )
    (words,) = tokenizer.ids_of_words([_WORDS])
    return found.ids == [number for word in words for number in word.tolist()]


def template_lines(tokenizer: TextIds) -> str:
    """Python that makes a loaded tokenizer add the special tokens of the training."""
    ids, tokens = tokenizer.special, tokenizer.tokens
    cls, sep = tokens[ids.cls], tokens[ids.sep]
    single, pair = f"{cls} $A {sep}", f"{cls} $A {sep} $B:1 {sep}:1"
    return (
        "# its file is as it was given, and has another template than the training\n"
        "tokenizer.backend_tokenizer.post_processor = TemplateProcessing(\n"
        f"    single={_quoted(single)},\n"
        f"    pair={_quoted(pair)},\n"
        f"    special_tokens=[({_quoted(cls)}, {ids.cls}), ({_quoted(sep)}, {ids.sep})],\n"
        ")"
    )


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


@cache
def _opened(content: bytes) -> Tokenizer:
    given = Tokenizer.from_str(content.decode("utf-8"))
    given.no_truncation()
    given.no_padding()
    return given
