"""Tokenizers that the library has trained, for tests: each kind, as others would bring them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from tokenizers.processors import TemplateProcessing

# Byte-level BPE as of RoBERTa; BPE and Unigram with SentencePiece's mark of a space.
KINDS = ("bytes", "bpe", "unigram")
TEXTS = [
    "The cat sat on the mat, and a naïve dog (the small one) barked at it.",
    "It's fine: tests tested the testing of tested tests in 1999.",
    "猫が座る。 犬が走る。 ☃ Straße",
] * 20
# The first is not 0, so that nobody can take padding for granted.
SPECIAL = {"unk": "<unk>", "cls": "<s>", "sep": "</s>", "mask": "<mask>", "pad": "<pad>"}


def given_tokenizer(kind: str, folder: Path, *, template: bool = True) -> Path:
    """Trains a tokenizer and returns its tokenizer.json.

    Args:
      kind: One of KINDS.
      folder: Where it is written; made if it is not there.
      template: Whether its file adds <s> and </s> to texts.
    """
    names = list(SPECIAL.values())
    if kind == "bytes":
        made, trainer = _byte_level(names)
    else:
        made, trainer = _metaspace(kind, names)
    made.train_from_iterator(TEXTS, trainer)
    if template:
        ids = [(name, made.token_to_id(name)) for name in ("<s>", "</s>")]
        made.post_processor = TemplateProcessing(
            single="<s> $A </s>", pair="<s> $A </s> $B:1 </s>:1", special_tokens=ids
        )
    folder.mkdir(parents=True, exist_ok=True)
    made.save(str(folder / "tokenizer.json"))
    return folder / "tokenizer.json"


def _byte_level(names: list[str]) -> tuple[Any, Any]:
    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    return made, trainers.BpeTrainer(
        vocab_size=330, special_tokens=names, initial_alphabet=alphabet, show_progress=False
    )


def _metaspace(kind: str, names: list[str]) -> tuple[Any, Any]:
    unknown = SPECIAL["unk"]
    made = Tokenizer(models.BPE(unk_token=unknown) if kind == "bpe" else models.Unigram())
    made.pre_tokenizer, made.decoder = pre_tokenizers.Metaspace(), decoders.Metaspace()
    if kind == "bpe":
        return made, trainers.BpeTrainer(vocab_size=150, special_tokens=names, show_progress=False)
    return made, trainers.UnigramTrainer(
        vocab_size=110, special_tokens=names, unk_token=unknown, show_progress=False
    )
