"""The vocabulary of a corpus in steps: words are counted by slice, added up by hash, trained on.

Each step reads what steps before it wrote, and the bytes that it writes depend on that alone. Sums
are exact; only of the words that were added up the rarest are left out, where there are more than
the trainer looks at.
"""

from __future__ import annotations

import shutil
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import pairwise
from pathlib import Path

import numpy as np

from electra_cli.corpus.preparation.documents import slice_documents
from electra_cli.corpus.preparation.encoding import forget_kept, kept_between_slices
from electra_cli.corpus.preparation.options import PrepareOptions
from electra_cli.corpus.preparation.plan import Report, Slice
from electra_cli.corpus.reading.faults import Document
from electra_cli.corpus.reading.readers import ReadSoFar
from electra_cli.corpus.step import Step
from electra_cli.corpus.subword import training as subword
from electra_cli.corpus.wordpiece.tokenizer import WordSplitter
from electra_cli.corpus.wordpiece.vocabulary import CONTINUATION, vocabulary_text
from electra_cli.corpus.wordpiece.vocabulary_training import (
    CountedWords,
    Limits,
    VocabularyOptions,
    by_frequency,
    train_vocabulary,
)
from electra_cli.corpus.wordpiece.word_counts import WordCounter
from electra_cli.corpus.wordpiece.word_runs import (
    HASHES,
    end_runs,
    is_whole,
    read_runs,
    write_run,
)
from electra_cli.errors import DataError
from electra_cli.files.atomic import AtomicFile, atomic_write_bytes
from electra_cli.files.layout import slice_name

_MOST_FILES = 256  # that are added up at once


def count_step(
    slice_: Slice, folder: Path, options: PrepareOptions, duplicates: Path | None
) -> Step:
    """Counts the words of a slice; see `count_slice`."""
    work = partial(count_slice, slice_, folder, options, duplicates)
    return _step(f"slice {slice_.index}", _counts(folder, 0, slice_.index), work)


def count_slice(
    slice_: Slice,
    folder: Path,
    options: PrepareOptions,
    duplicates: Path | None,
    report: Report = lambda file, disk_bytes: None,
    limits: Limits | None = None,
) -> None:
    """Writes how often each word comes in a slice, or in the share of it that is asked for.

    Args:
      slice_: What to read.
      folder: Existing folder of the vocabulary's steps.
      options: How to read it, and what for.
      duplicates: Folder of the finished pass that looked for them; None keeps everything.
      report: Receives the file that is being read, and bytes on disk that are done.
      limits: Bounds of memory.

    Raises:
      DataError: Bad input.
      InputMissingError: An input is gone.
      OSError: The counts cannot be written.
    """
    told = 0

    def tell(file: str, disk_bytes: int) -> None:
        nonlocal told
        told += disk_bytes
        report(file, disk_bytes)

    read = ReadSoFar()  # bad input is counted when the slice is prepared
    documents = slice_documents(
        slice_, read, options=options.read, duplicates=duplicates, report=tell
    )
    share = options.vocabulary.sample * slice_.disk_bytes
    counter = kept_between_slices(_counter, options.vocabulary, limits or _limits(options))
    file = AtomicFile(_counts(folder, 0, slice_.index))
    try:
        for words in counter.count(_first_ones(documents, read, share)):
            write_run(file.stream, words)
        end_runs(file.stream)
        file.commit()
    finally:
        file.discard()
    report(slice_.label, slice_.disk_bytes - told)


def merge_passes(
    folder: Path, slices: int, options: PrepareOptions, limits: Limits | None = None
) -> Iterator[list[Step]]:
    """Adds up the words of all slices.

    Args:
      folder: Of the vocabulary's steps.
      slices: How many there are, all of them counted.
      options: What for.
      limits: Bounds of memory.

    Yields:
      Steps that may be done at once; the next ones are asked for when these are done.
    """
    limits = limits or _limits(options)
    for level, files in enumerate(_files_of_levels(slices)[:-1], start=1):
        joined = [range(files)[n : n + _MOST_FILES] for n in range(0, files, _MOST_FILES)]
        yield [
            _step(
                f"words, level {level}, files from {below.start}",
                _counts(folder, level, number),
                partial(_join, folder, level, number, below, limits),
            )
            for number, below in enumerate(joined)
        ]
    ranges = _ranges(_last_level(folder, slices), limits)
    yield [
        _step(
            f"words, range {number} of {len(ranges)}",
            _merged(folder, number, len(ranges)),
            partial(_merge, folder, slices, number, limits),
        )
        for number in range(len(ranges))
    ]


def train_step(
    folder: Path,
    slices: int,
    target: Path,
    options: PrepareOptions,
    limits: Limits | None = None,
) -> Step:
    """Trains a vocabulary on the words that were added up.

    Args:
      folder: Of the vocabulary's steps, all others done.
      slices: How many were counted.
      target: The file of the vocabulary.
      options: How it is trained.
      limits: Bounds of memory and time.
    """
    work = partial(_train, folder, slices, target, options.vocabulary, limits or _limits(options))
    return Step("the vocabulary", target, work)


def clean(folder: Path) -> None:
    """Removes what the steps left, once the vocabulary is there and nobody is at work."""
    shutil.rmtree(folder, ignore_errors=True)


def _step(name: str, result: Path, work: Callable[..., None]) -> Step:
    """A step that writes runs of words."""
    return Step(name, result, work, partial(is_whole, result))


def _limits(options: PrepareOptions) -> Limits:
    return Limits() if options.vocabulary.kind == "wordpiece" else subword.LIMITS


def _counter(options: VocabularyOptions, limits: Limits) -> WordCounter:
    if options.kind != "wordpiece":
        return WordCounter(subword.splitter(options), limits.held_characters, cuts=False)
    split = WordSplitter(lowercase=options.lowercase, strip_accents=options.strip_accents)
    return WordCounter(split.parts, limits.held_characters)


def _first_ones(
    documents: Iterable[Document], read: ReadSoFar, disk_bytes: float
) -> Iterator[Document]:
    """The first documents, of so many bytes on disk; one at least.

    All that was read together with the last of these bytes is used: it costs nothing more.
    """
    enough: int | None = None
    for document in documents:
        if enough is not None and read.disk_bytes > enough:
            return
        yield document
        if enough is None and read.disk_bytes >= disk_bytes:
            enough = read.disk_bytes


def _counts(folder: Path, level: int, number: int) -> Path:
    """The counts of a slice (level 0), or of so many files of the level below."""
    return folder / f"words-{level}-{slice_name(number)}.bin"


def _files_of_levels(slices: int) -> list[int]:
    """How many files each level has, up to the first of which all can be added up at once."""
    files = [slices]
    while files[-1] > _MOST_FILES:
        files.append(-(-files[-1] // _MOST_FILES))
    return files


def _last_level(folder: Path, slices: int) -> list[Path]:
    files = _files_of_levels(slices)
    return [_counts(folder, len(files) - 1, number) for number in range(files[-1])]


def _merged(folder: Path, number: int, ranges: int) -> Path:
    return folder / f"merged-{number:05d}-of-{ranges:05d}.bin"


def _ranges(paths: Sequence[Path], limits: Limits) -> list[tuple[int, int]]:
    """Ranges of hashes, small enough that their words can be added up in memory."""
    size = sum(path.stat().st_size for path in paths)
    count = max(-(-size // limits.range_bytes), 1)
    bounds = [HASHES * number // count for number in range(count + 1)]
    return list(pairwise(bounds))


def _added_up(paths: Sequence[Path], start: int, stop: int) -> dict[str, int]:
    forget_kept()
    total: dict[str, int] = {}
    get = total.get
    for path in paths:
        for words, counts in read_runs(path, start, stop):
            for word, count in zip(words, counts.tolist(), strict=True):
                total[word] = get(word, 0) + count
    return total


def _write_words(file: AtomicFile, words: dict[str, int]) -> None:
    write_run(file.stream, (list(words), np.fromiter(words.values(), np.int64, len(words))))


def _join(folder: Path, level: int, number: int, below: range, limits: Limits) -> None:
    """Makes one file of those of the level below with these numbers."""
    paths = [_counts(folder, level - 1, each) for each in below]
    file = AtomicFile(_counts(folder, level, number))
    try:
        for start, stop in _ranges(paths, limits):
            _write_words(file, _added_up(paths, start, stop))
        end_runs(file.stream)
        file.commit()
    finally:
        file.discard()


def _merge(folder: Path, slices: int, number: int, limits: Limits) -> None:
    """Writes the most frequent words of a range of hashes, and all its characters."""
    paths = _last_level(folder, slices)
    ranges = _ranges(paths, limits)
    words = _added_up(paths, *ranges[number])
    characters = _characters(words)
    # Of the most frequent of all ranges together each has its share, more or less.
    most = 2 * limits.counted_words // len(ranges) + 256
    file = AtomicFile(_merged(folder, number, len(ranges)))
    try:
        _write_words(file, _most_frequent(words, most))
        _write_words(file, characters)
        end_runs(file.stream)
        file.commit()
    finally:
        file.discard()


def _characters(words: Mapping[str, int]) -> dict[str, int]:
    """How often each character comes; one within a word is there with `CONTINUATION`, too."""
    same: defaultdict[int, list[str]] = defaultdict(list)  # words by how often they came
    first: Counter[str] = Counter()
    for word, count in words.items():
        same[count].append(word)
        first[word[:1]] += count
    sums: Counter[str] = Counter()
    for count, texts in same.items():
        for character, times in Counter("".join(texts)).items():
            sums[character] += count * times
    return {**sums, **{CONTINUATION + c: sums[c] - first[c] for c in sums if sums[c] > first[c]}}


def _most_frequent(words: dict[str, int], most: int) -> dict[str, int]:
    return {word: words[word] for word in by_frequency(words)[:most]}


def _train(
    folder: Path, slices: int, target: Path, options: VocabularyOptions, limits: Limits
) -> None:
    forget_kept()
    counted = _counted(folder, slices, limits)
    if not counted.words and options.sample < 1:
        raise DataError(
            f"--vocab-sample {options.sample} chose documents without a single word",
            hint="raise it, or leave it out to train the vocabulary on all of them",
        )
    if options.kind == "wordpiece":
        content = vocabulary_text(train_vocabulary(counted, options, limits))
    else:
        content = subword.train_tokenizer(counted, options, limits)
    atomic_write_bytes(target, content.encode("utf-8"))


def _counted(folder: Path, slices: int, limits: Limits) -> CountedWords:
    """The most frequent words of all ranges, and all characters."""
    counted = CountedWords()
    ranges = len(_ranges(_last_level(folder, slices), limits))
    for number in range(ranges):
        runs = [
            dict(zip(words, counts.tolist(), strict=True))
            for words, counts in read_runs(_merged(folder, number, ranges))
        ]
        if runs:
            words, characters = runs
            counted.words |= words
            for piece, count in characters.items():
                if len(piece) == 1:
                    counted.characters[piece] += count
                else:
                    counted.continuing.add(piece.removeprefix(CONTINUATION))
        if len(counted.words) > 2 * limits.counted_words:
            counted.words = _most_frequent(counted.words, limits.counted_words)
    if len(counted.words) > limits.counted_words:
        counted.words = _most_frequent(counted.words, limits.counted_words)
    return counted
