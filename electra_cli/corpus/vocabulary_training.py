"""Training a WordPiece vocabulary, the same one for the same text every time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

from tokenizers import Tokenizer, models, pre_tokenizers, trainers

from electra_cli.corpus.tokenizer import MAX_CHARACTERS_PER_WORD, build_normalizer, split_words
from electra_cli.corpus.vocabulary import CONTINUATION, SPECIAL_TOKENS, UNK

# A word seen once teaches nothing but its characters.
_MIN_FREQUENCY = 2
# Words in one string that is handed to the trainer.
_CHUNK = 5000


def train_vocabulary(
    texts: Iterable[str], size: int, *, lowercase: bool, strip_accents: bool
) -> list[str]:
    """Trains a vocabulary of word pieces.

    Single characters take at most half of it; the rarest beyond that are left out.

    Args:
      texts: Text, a line or a document each; read once.
      size: Word pieces wanted, the special tokens among them. Little text gives fewer.
      lowercase: As the text will be tokenized.
      strip_accents: As the text will be tokenized.

    Returns:
      The tokens: [PAD] [UNK] [CLS] [SEP] [MASK], single characters, then pieces as they were
      merged.
    """
    raw: Counter[str] = Counter()
    for text in texts:
        raw.update(split_words(text))
    words = _normalized(raw, lowercase=lowercase, strip_accents=strip_accents)
    alphabet = _alphabet(words, limit=(size - len(SPECIAL_TOKENS)) // 2)
    characters = set(alphabet)
    kept = {word: count for word, count in sorted(words.items()) if characters.issuperset(word)}

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
    tokenizer.train_from_iterator(_repeated(kept), trainer)
    ids = tokenizer.get_vocab(with_added_tokens=False)
    return sorted(ids, key=lambda token: ids[token])


def _normalized(raw: Mapping[str, int], *, lowercase: bool, strip_accents: bool) -> Counter[str]:
    """Counts of cleaned words, each raw word being cleaned once."""
    normalizer = build_normalizer(lowercase=lowercase, strip_accents=strip_accents)
    splitter = pre_tokenizers.BertPreTokenizer()
    words: Counter[str] = Counter()
    for word, count in raw.items():
        for piece, _ in splitter.pre_tokenize_str(normalizer.normalize_str(word)):
            if len(piece) <= MAX_CHARACTERS_PER_WORD:
                words[piece] += count
    return words


def _alphabet(words: Mapping[str, int], limit: int) -> list[str]:
    """The most frequent characters, and behind them those that also continue words, as pieces."""
    counts: Counter[str] = Counter()
    continuing: set[str] = set()
    for word, count in words.items():
        for character in word:
            counts[character] += count
        continuing.update(word[1:])
    kept: list[str] = []
    room = limit
    for character in sorted(counts, key=lambda character: (-counts[character], character)):
        room -= 1 + (character in continuing)
        if room < 0:
            break
        kept.append(character)
    kept.sort()
    return kept + [CONTINUATION + character for character in kept if character in continuing]


def _repeated(words: Mapping[str, int]) -> Iterator[str]:
    """The trainer counts words itself, so each comes as often as it was counted."""
    for word, count in words.items():
        for done in range(0, count, _CHUNK):
            yield " ".join([word] * min(_CHUNK, count - done))
