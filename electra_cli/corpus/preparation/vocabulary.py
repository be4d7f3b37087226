"""The vocabulary of a corpus in steps: words are counted by slice, added up by hash, trained on.

Each step reads what steps before it wrote, and the bytes that it writes depend on that alone. Sums
are exact; only of the words that were added up the rarest are left out, where there are more than
the trainer looks at.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import islice, pairwise
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
_WORDS_AT_ONCE = 2**14  # whose characters are


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
    level, files = 0, slices
    while files > _MOST_FILES:
        groups = range(0, files, _MOST_FILES)
        level, files = level + 1, len(groups)
        yield [
            _step(
                f"words, level {level}, files from {first}",
                _counts(folder, level, number),
                partial(_join, folder, level, number, limits),
            )
            for number, first in enumerate(groups)
        ]
    ranges = _ranges(_all_counts(folder, level, range(files)), limits)
    yield [
        _step(
            f"words, range {number} of {len(ranges)}",
            _merged(folder, number, len(ranges)),
            partial(_merge, folder, level, files, number, limits),
        )
        for number in range(len(ranges))
    ]


def train_step(
    folder: Path, target: Path, options: PrepareOptions, limits: Limits | None = None
) -> Step:
    """Trains a vocabulary on the words that were added up.

    Args:
      folder: Of the vocabulary's steps, all others done.
      target: The file of the vocabulary.
      options: How it is trained.
      limits: Bounds of memory and time.
    """
    work = partial(_train, folder, target, options.vocabulary, limits or _limits(options))
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


def _all_counts(folder: Path, level: int, numbers: range) -> list[Path]:
    return [_counts(folder, level, number) for number in numbers]


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


def _join(folder: Path, level: int, number: int, limits: Limits) -> None:
    """Makes one file of so many of the level below that are there."""
    first = number * _MOST_FILES
    below = _all_counts(folder, level - 1, range(first, first + _MOST_FILES))
    paths = [path for path in below if path.is_file()]
    file = AtomicFile(_counts(folder, level, number))
    try:
        for start, stop in _ranges(paths, limits):
            _write_words(file, _added_up(paths, start, stop))
        end_runs(file.stream)
        file.commit()
    finally:
        file.discard()


def _merge(folder: Path, level: int, files: int, number: int, limits: Limits) -> None:
    """Writes the most frequent words of a range of hashes, and all its characters."""
    paths = _all_counts(folder, level, range(files))
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


def _characters(words: dict[str, int]) -> dict[str, int]:
    """How often each character comes, and within a word, with `CONTINUATION` before it."""
    sums = {before: np.zeros(sys.maxunicode + 1, np.int64) for before in ("", CONTINUATION)}
    left = iter(words.items())
    while items := list(islice(left, _WORDS_AT_ONCE)):
        lengths = np.array([len(word) for word, _ in items])  # [N]
        counts = np.repeat([count for _, count in items], lengths)  # [C]
        text = "".join(word for word, _ in items).encode("utf-32-le")
        codes = np.frombuffer(text, "<u4")  # [C]
        within = np.ones(len(codes), bool)  # [C]
        within[np.cumsum(lengths) - lengths] = False
        np.add.at(sums[""], codes, counts)
        np.add.at(sums[CONTINUATION], codes[within], counts[within])
    return {
        before + chr(code): int(of_all[code])
        for before, of_all in sums.items()
        for code in np.flatnonzero(of_all).tolist()
    }


def _most_frequent(words: dict[str, int], most: int) -> dict[str, int]:
    return {word: words[word] for word in by_frequency(words)[:most]}


def _train(folder: Path, target: Path, options: VocabularyOptions, limits: Limits) -> None:
    forget_kept()
    counted = _counted(folder, limits)
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


def _counted(folder: Path, limits: Limits) -> CountedWords:
    """The most frequent words of all ranges, and all characters."""
    counted = CountedWords()
    # A folder may hold others, of a version that divides hashes otherwise.
    level = max(path.name.split("-")[1] for path in folder.glob("words-*-00000.bin"))
    ranges = len(_ranges(list(folder.glob(f"words-{level}-*.bin")), limits))
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
