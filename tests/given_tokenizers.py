"""Tokenizers that the library has trained, for tests: each kind, as others would bring them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from tokenizers.processors import TemplateProcessing

# Byte-level BPE as of RoBERTa; BPE and Unigram with SentencePiece's mark of a space.
KINDS = ("bytes", "bpe", "unigram")
# And BPE that leaves words together and falls back to bytes, and word pieces by other rules.
ALL_KINDS = (*KINDS, "fallback", "wordpiece")
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
      kind: One of ALL_KINDS.
      folder: Where it is written; made if it is not there.
      template: Whether its file adds <s> and </s> to texts.
    """
    names = list(SPECIAL.values())
    if kind == "bytes":
        made, trainer = _byte_level(names)
    elif kind == "fallback":
        made, trainer = _byte_fallback(names)
    elif kind == "wordpiece":
        made, trainer = _word_pieces(names)
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


def _byte_fallback(names: list[str]) -> tuple[Any, Any]:
    made = Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=True, fuse_unk=True))
    made.normalizer = normalizers.Sequence(
        [normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")]
    )
    octets = [f"<0x{number:02X}>" for number in range(256)]
    return made, trainers.BpeTrainer(
        vocab_size=340, special_tokens=names + octets, limit_alphabet=40, show_progress=False
    )


def _word_pieces(names: list[str]) -> tuple[Any, Any]:
    made = Tokenizer(models.WordPiece(unk_token="<unk>"))
    made.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Lowercase()])
    made.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return made, trainers.WordPieceTrainer(
        vocab_size=150, special_tokens=names, show_progress=False
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
