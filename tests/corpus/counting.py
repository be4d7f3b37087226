"""Words counted the plain way, which all others must agree with."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from electra_cli.corpus.subword.training import splitter
from electra_cli.corpus.wordpiece.tokenizer import (
    MAX_CHARACTERS_PER_WORD,
    WordSplitter,
    split_words,
)
from electra_cli.corpus.wordpiece.vocabulary_training import CountedWords, VocabularyOptions


def count_words(texts: Iterable[str], options: VocabularyOptions) -> CountedWords:
    """All words of some texts as they will be tokenized, and their characters."""
    split = splitter(options)
    if options.kind == "wordpiece":
        split = WordSplitter(lowercase=options.lowercase, strip_accents=options.strip_accents).parts
    words: Counter[str] = Counter()
    for text in texts:
        for raw in split_words(text):
            for parts in split(raw):
                words.update(word for word in parts if len(word) <= MAX_CHARACTERS_PER_WORD)
    counted = CountedWords(dict(words))
    for word, count in words.items():
        for character in word:
            counted.characters[character] += count
        counted.continuing.update(word[1:])
    return counted
