"""Training a WordPiece vocabulary, the same one for the same words every time.

At most half a million different words are looked at, the most frequent ones, and at most 1.5
million characters of them are handed to the trainer, or 16 for each word piece.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from zlib import crc32

from tokenizers import Tokenizer, models, pre_tokenizers, trainers

from electra_cli.corpus.wordpiece.identity import Kind
from electra_cli.corpus.wordpiece.vocabulary import CONTINUATION, SPECIAL_TOKENS, UNK
from electra_cli.corpus.wordpiece.vocabulary_folder import TOKENIZER_FILE
from electra_cli.errors import ConfigError
from electra_cli.files.layout import VOCABULARY_FILE

VOCAB_SIZES = (100, 1_000_000)

# A pair of pieces seen once teaches nothing.
_MIN_FREQUENCY = 2


@dataclass(frozen=True)
class Limits:
    """What bounds the memory and time of the training.

    Attributes:
      held_characters: Of different words that are counted at a time.
      range_bytes: Of counts that are added up at a time.
      counted_words: Different words that are looked at, the most frequent ones.
      trained_characters: Characters of the different words to train on.
      trained_words: Words to train on at most, with all their repetitions.
      scaled_words: So many where there would be more.
      string: Characters of one string that is handed to the trainer.
    """

    held_characters: int = 2**22
    range_bytes: int = 2**23
    counted_words: int = 2**19
    trained_characters: int = 3 * 2**19
    trained_words: int = 2**25
    scaled_words: int = 2**24
    string: int = 2**15


@dataclass(frozen=True)
class VocabularyOptions:
    """How to train a vocabulary.

    Attributes:
      kind: Of which it is; another than wordpiece is trained by `subword.training`.
      size: Word pieces wanted, special tokens and [unused] slots among them.
      sample: Share of each slice to train on, its first documents.
      unused: Slots [unused0], [unused1] … that no text is ever tokenized to.
      multiple_of: The size is rounded up to a multiple of this.
      alphabet_limit: Characters kept at most, the most frequent ones; None for as many as take half
        of the word pieces, most characters taking two: one begins a word, one continues it; and for
        more where longer pieces do not take the other half.
      lowercase: Whether the text will be lower-cased when it is tokenized.
      strip_accents: The same of accents.

    Raises:
      ConfigError: An impossible value.
    """

    kind: Kind = "wordpiece"
    size: int = 30522
    sample: float = 1.0
    unused: int = 0
    multiple_of: int = 1
    alphabet_limit: int | None = None
    lowercase: bool = True
    strip_accents: bool = True

    def __post_init__(self) -> None:
        smallest, largest = VOCAB_SIZES
        alphabet = 1 if self.alphabet_limit is None else self.alphabet_limit
        for option, value, least, most in (
            ("--vocab-size", self.size, smallest, largest),
            ("--vocab-sample", self.sample, 1e-9, 1),
            ("--vocab-unused", self.unused, 0, self.size - smallest),
            ("--vocab-multiple-of", self.multiple_of, 1, 1024),
            ("--vocab-alphabet", alphabet, 1, largest),
        ):
            if not least <= value <= most:
                raise ConfigError(
                    f"{option} is {value}; it must be {least} to {most}",
                    hint=f"leave {option} out, or give a number of that range",
                )

    @property
    def file(self) -> str:
        """What it is called in a prepared folder."""
        return VOCABULARY_FILE if self.kind == "wordpiece" else TOKENIZER_FILE

    @property
    def rounded_size(self) -> int:
        """The size, rounded up."""
        return round_up(self.size, self.multiple_of)


@dataclass
class CountedWords:
    """What a vocabulary is trained on.

    Attributes:
      words: How often each word came, of the most frequent ones.
      characters: How often each character came, in all words.
      continuing: Characters that came within a word.
    """

    words: dict[str, int] = field(default_factory=dict)
    characters: Counter[str] = field(default_factory=Counter)
    continuing: set[str] = field(default_factory=set)


def train_vocabulary(
    counted: CountedWords, options: VocabularyOptions, limits: Limits = Limits()
) -> list[str]:
    """Trains a vocabulary of word pieces.

    Args:
      counted: The words of all text; they are given up on the way.
      options: How it is trained.
      limits: Bounds of memory and time.

    Returns:
      The tokens: [PAD] [UNK] [CLS] [SEP] [MASK], [unused] slots, single characters, then pieces
      as they were merged. Little text gives fewer than wanted, and further slots up to the next
      multiple.
    """
    wanted = options.rounded_size - options.unused
    special, pieces = _train(counted, wanted, options.alphabet_limit, limits)
    taken = len(special) + options.unused + len(pieces)
    slots = options.unused + round_up(taken, options.multiple_of) - taken
    return [*special, *(f"[unused{number}]" for number in range(slots)), *pieces]


def round_up(number: int, multiple: int) -> int:
    """The next multiple."""
    return -(-number // multiple) * multiple


def by_frequency(words: Mapping[str, int]) -> list[str]:
    """Words, the most frequent first."""
    # Equally frequent ones not by the alphabet: what is cut off would be those of its end.
    ranked = sorted(words, key=lambda word: crc32(word.encode("utf-8")))
    ranked.sort(key=words.__getitem__, reverse=True)
    return ranked


def _train(
    counts: CountedWords, size: int, alphabet_limit: int | None, limits: Limits
) -> tuple[list[str], list[str]]:
    """Special tokens, and pieces; `size` at most together."""
    room = size - len(SPECIAL_TOKENS)
    # Half is kept for pieces of several characters. What they leave free goes to characters, whose
    # words may give pieces too. Ideographs never join: all that is free is theirs.
    for_characters = room // 2 if alphabet_limit is None else room
    largest = _alphabet(counts, room, alphabet_limit)
    while True:
        alphabet = _alphabet(counts, for_characters, alphabet_limit)
        known = _known_words(counts.words, set(alphabet), max(limits.trained_characters, 16 * size))
        if alphabet == largest:
            counts.words.clear()  # they are not asked for again
        special, pieces = join(known, alphabet, size, limits)
        for_characters += room - len(pieces)
        if _alphabet(counts, for_characters, alphabet_limit) == alphabet:
            return special, pieces


def _known_words(words: Mapping[str, int], characters: set[str], room: int) -> dict[str, int]:
    """The most frequent words of these characters, and how often each comes."""
    known: dict[str, int] = {}
    for word in by_frequency(words):
        if characters.issuperset(word):
            known[word] = words[word]
            room -= len(word)
            if room <= 0:
                break
    return known


def join(
    words: Mapping[str, int], alphabet: list[str], size: int, limits: Limits
) -> tuple[list[str], list[str]]:
    """The special tokens, and the alphabet with the longer pieces that it is joined to."""
    # The trainer numbers continuing characters in the order of a hash map that is seeded anew in
    # each process, and breaks ties between merges by these numbers. Given as special tokens, in
    # our order, they are numbered first.
    tokenizer = Tokenizer(models.WordPiece(unk_token=UNK))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    trainer = trainers.WordPieceTrainer(
        vocab_size=size,
        min_frequency=_MIN_FREQUENCY,
        special_tokens=[*SPECIAL_TOKENS, *alphabet],
        continuing_subword_prefix=CONTINUATION,
        show_progress=False,
    )
    tokenizer.train_from_iterator(repeated(words, limits), trainer)
    ids = tokenizer.get_vocab(with_added_tokens=False)
    tokens = sorted(ids, key=lambda token: ids[token])
    return tokens[: len(SPECIAL_TOKENS)], tokens[len(SPECIAL_TOKENS) :]


def _alphabet(counts: CountedWords, room: int, limit: int | None) -> list[str]:
    """The most frequent characters, and behind them those that also continue words, as pieces."""
    frequent = sorted(counts.characters, key=lambda c: (-counts.characters[c], c))
    kept: list[str] = []
    for character in frequent[:limit]:
        room -= 1 + (character in counts.continuing)
        if room < 0:
            break
        kept.append(character)
    kept.sort()
    continuing = [CONTINUATION + character for character in kept if character in counts.continuing]
    return kept + continuing


def repeated(words: Mapping[str, int], limits: Limits) -> Iterator[str]:
    """The trainer takes no counts: it counts itself, so each word comes as often as it was counted.

    That takes it a fifth of a second a million, so beyond `limits.trained_words` counts are scaled
    down. Of 107 million words of books, to 2^24 of them, 2.6% of the pieces became others, and text
    0.12% more tokens.
    """
    total = sum(words.values())
    wanted = total if total <= limits.trained_words else limits.scaled_words
    for word, count in sorted(words.items()):
        left = (count * wanted + total // 2) // total
        most = max(limits.string // (len(word) + 1), 1)
        while left > 0:
            yield " ".join([word] * min(most, left))
            left -= most
