"""Training a BPE or Unigram tokenizer, the same file for the same text every time.

Spaces become a part of the pieces, as in SentencePiece, and nothing else divides a text: so pieces
go over punctuation, and text without spaces needs no segmenter. Words are counted as for word
pieces; what is longer than `LONGEST_WORD` characters, as a line of Thai or Japanese, is counted in
parts of that length. At most 1.5 million characters are handed to the trainer, or 16 for each piece
wanted: the most frequent words, and of those that come once the ones that a hash chooses.
"""

from __future__ import annotations

import json
import os
import re
from collections import Counter
from collections.abc import Callable, Mapping
from itertools import count
from typing import Any

from tokenizers import (
    AddedToken,
    Regex,
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
    trainers,
)

from electra_cli.corpus.wordpiece.vocabulary import CLS, SEP, SPECIAL_TOKENS, UNK
from electra_cli.corpus.wordpiece.vocabulary_training import (
    CountedWords,
    Limits,
    VocabularyOptions,
    by_frequency,
    repeated,
    round_up,
)

LONGEST_WORD = 100
_LONGEST_PIECE = 16  # characters, as in SentencePiece
_SPACE = "▁"
# The words are longer than those of word pieces may be, and as many would take more memory.
LIMITS = Limits(counted_words=2**18)
# Sums of the trainer for Unigram come in the order of a hash map that is seeded anew in each
# process, and so differ in their last digits.
_DIGITS = 6
# It gives characters that it had left out the lowest score of all, each so much more than the one
# before it in that order. They all get the lowest.
_STEP = 1e-4


def splitter(options: VocabularyOptions) -> Callable[[str], list[list[str]]]:
    """What normalises a white-space word and makes words of it that the trainer is given."""
    normalizer = _normalizer(options)

    def split(word: str) -> list[list[str]]:
        return [
            [f"{_SPACE}{part}"[start : start + LONGEST_WORD]]
            for part in normalizer.normalize_str(word).split(" ")
            for start in range(0, len(part) + bool(part), LONGEST_WORD)
        ]

    return split


def train_tokenizer(
    counted: CountedWords, options: VocabularyOptions, limits: Limits = LIMITS
) -> str:
    """Trains a tokenizer.

    Args:
      counted: The words of all text; they are given up on the way.
      options: How it is trained; of kind bpe or unigram.
      limits: Bounds of memory and time.

    Returns:
      The content of its tokenizer.json. Its tokens are [PAD] [UNK] [CLS] [SEP] [MASK], the pieces,
      and [unused] slots. Little text gives fewer than wanted.
    """
    # Sums of several threads come in any order.
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    room = options.rounded_size - options.unused - len(SPECIAL_TOKENS)
    frequent = sorted(counted.characters, key=lambda c: (-counted.characters[c], c))
    alphabet = sorted(frequent[: min(room // 2, options.alphabet_limit or room)])
    words = _known_parts(
        counted.words, alphabet, max(limits.trained_characters, 16 * options.rounded_size)
    )
    counted.words.clear()
    tokenizer = _trained(words, alphabet, options, limits)
    tokenizer.normalizer = _normalizer(options)
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(_SPACE, prepend_scheme="always")
    tokenizer.decoder = decoders.Metaspace(_SPACE, prepend_scheme="always")
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{CLS} $A {SEP}",
        pair=f"{CLS} $A {SEP} $B:1 {SEP}:1",
        special_tokens=[(token, SPECIAL_TOKENS.index(token)) for token in (CLS, SEP)],
    )
    taken = tokenizer.get_vocab_size() + options.unused
    slots = options.unused + round_up(taken, options.multiple_of) - taken
    tokenizer.add_special_tokens(
        [AddedToken(f"[unused{number}]", special=True) for number in range(slots)]
    )
    return str(tokenizer.to_str())


def _normalizer(options: VocabularyOptions) -> Any:
    """Compatible characters are one (full-width letters, ligatures), and white space is a space."""
    steps: list[Any] = [
        normalizers.Replace(Regex("[\\x00-\\x08\\x0e-\\x1f\\x7f-\\x84\\x86-\\x9f]"), ""),
        normalizers.NFKC(),
    ]
    if options.lowercase:
        steps.append(normalizers.Lowercase())
    if options.strip_accents:
        steps += [normalizers.NFD(), normalizers.StripAccents(), normalizers.NFC()]
    steps += [normalizers.Replace(Regex("\\s+"), " "), normalizers.Strip()]
    return normalizers.Sequence(steps)


def _known_parts(words: Mapping[str, int], alphabet: list[str], room: int) -> Counter[str]:
    """The most frequent words, each divided where a character is that is not kept."""
    known: Counter[str] = Counter()
    inside = re.compile(f"[{re.escape(''.join(alphabet))}]+") if alphabet else re.compile("(?!)")
    for word in by_frequency(words):
        for part in inside.findall(word):
            known[part] += words[word]
            room -= len(part)
        if room <= 0:
            break
    return known


def _trained(
    words: Mapping[str, int], alphabet: list[str], options: VocabularyOptions, limits: Limits
) -> Any:
    """A tokenizer of the special tokens and the pieces."""
    of_all: dict[str, Any] = {
        "vocab_size": options.rounded_size - options.unused,
        "special_tokens": list(SPECIAL_TOKENS),
        "initial_alphabet": alphabet,
        "show_progress": False,
    }
    if options.kind == "bpe":
        known = {token: number for number, token in enumerate(SPECIAL_TOKENS)}
        tokenizer = Tokenizer(models.BPE(known, [], unk_token=UNK, fuse_unk=True))
        trainer: Any = trainers.BpeTrainer(
            **of_all,
            min_frequency=2,
            limit_alphabet=len(alphabet),
            max_token_length=_LONGEST_PIECE,
        )
    else:
        tokenizer = Tokenizer(_unigram([]))
        trainer = trainers.UnigramTrainer(**of_all, unk_token=UNK, max_piece_length=_LONGEST_PIECE)
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    if words:
        tokenizer.train_from_iterator(repeated(words, limits), trainer)
        if options.kind == "unigram":
            vocabulary = json.loads(tokenizer.to_str())["model"]["vocab"]
            tokenizer.model = _unigram(_in_order(vocabulary[len(SPECIAL_TOKENS) :]))
    else:
        tokenizer.add_special_tokens(list(SPECIAL_TOKENS))
    return tokenizer


def _unigram(pieces: list[tuple[str, float]]) -> Any:
    special = [(token, 0.0) for token in SPECIAL_TOKENS]
    return models.Unigram([*special, *pieces], SPECIAL_TOKENS.index(UNK), False)


def _in_order(vocabulary: list[tuple[str, float]]) -> list[tuple[str, float]]:
    """Pieces and scores of the trainer without what chance has done to them."""
    lowest = min(score for _, score in vocabulary)
    steps = {piece: (score - lowest) / _STEP for piece, score in vocabulary if len(piece) == 1}
    raised = {piece: round(step) for piece, step in steps.items() if abs(step % 1 - 0.5) > 0.49}
    last = next(step for step in count() if step not in raised.values())
    left_out = {piece for piece, step in raised.items() if step < last}
    found = [
        (piece, round(lowest if piece in left_out else score, _DIGITS))
        for piece, score in vocabulary
    ]
    return sorted(found, key=lambda piece: (-piece[1], piece[0]))
