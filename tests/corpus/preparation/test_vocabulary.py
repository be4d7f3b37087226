from __future__ import annotations

import gzip
import pickle
import random
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from zlib import crc32

import pytest

from electra_cli.corpus.preparation import vocabulary
from electra_cli.corpus.preparation.options import PrepareOptions
from electra_cli.corpus.preparation.plan import make_plan
from electra_cli.corpus.preparation.vocabulary import (
    clean,
    count_slice,
    count_step,
    merge_passes,
    train_step,
)
from electra_cli.corpus.reading.discovery import find_inputs
from electra_cli.corpus.subword.training import train_tokenizer
from electra_cli.corpus.wordpiece.vocabulary import vocabulary_text
from electra_cli.corpus.wordpiece.vocabulary_training import (
    Limits,
    VocabularyOptions,
    train_vocabulary,
)
from electra_cli.corpus.wordpiece.word_runs import end_runs
from electra_cli.errors import DataError
from tests.corpus.corpora import folder_bytes, make_documents
from tests.corpus.counting import count_words
from tests.corpus.tables import jsonl, parquet, txt

AWKWARD = ["Éclair naïve (東京) ΟΔΟΣ don't", "y" * 201 + " " + "中" * 30, "a\x0bb c\x00d \ufffd"]
DOCUMENTS = [*make_documents(60), *AWKWARD, *[f"{n * 7919 % 10007:x} number{n}" for n in range(90)]]
TINY = Limits(held_characters=500, range_bytes=900)


def options(kind="wordpiece", sample=1.0, **more):
    trained = VocabularyOptions(kind=kind, size=300, sample=sample)
    return PrepareOptions(vocabulary=trained, slice_bytes=1500, **more)


def slices_of(path, given):
    files = find_inputs([path], exclude=path.parent / "out")
    return make_plan(files, options={}, text_field="text", slice_bytes=given.slice_bytes).slices


@pytest.fixture
def corpus(tmp_path):
    """Text that is cut into slices, and a stream that is one."""
    folder = tmp_path / "texts"
    folder.mkdir()
    (folder / "a.jsonl").write_bytes(jsonl(DOCUMENTS[:80]))
    (folder / "b.jsonl.gz").write_bytes(gzip.compress(jsonl(DOCUMENTS[80:]), 0))
    return folder


def do(steps, folder, *, seed=0, again=0.0):
    """Does steps in any order, some twice, as another process would."""
    rng = random.Random(seed)
    steps = [*steps, *(step for step in steps if rng.random() < again)]
    rng.shuffle(steps)
    for step in steps:
        pickle.loads(pickle.dumps(step)).work()
        assert step.is_done
    assert not list(folder.glob(".*"))


def counted(corpus, folder, given, limits=TINY, **how):
    """All steps but the last; how many slices and passes there are."""
    folder.mkdir()
    slices = slices_of(corpus, given)
    assert len(slices) > 8
    assert slices[-1].is_stream
    steps = [count_step(slice_, folder, given, None) for slice_ in slices]
    assert len({step.result for step in steps}) == len({step.name for step in steps}) == len(steps)
    # The limits of counting are those of the options; tiny ones are given here.
    for slice_ in slices:
        count_slice(slice_, folder, given, None, limits=limits)
    passes = 0
    for steps in merge_passes(folder, len(slices), given, limits):
        passes += 1
        do(steps, folder, **how)
    return len(slices), passes


@pytest.mark.parametrize("most_files", [256, 5, 2])
@pytest.mark.parametrize("kind", ["wordpiece", "bpe"])
def test_the_vocabulary_is_that_of_words_counted_one_by_one(
    corpus, tmp_path, monkeypatch, kind, most_files
):
    monkeypatch.setattr(vocabulary, "_MOST_FILES", most_files)
    given, folder = options(kind), tmp_path / "steps"
    slices, passes = counted(corpus, folder, given, seed=most_files, again=0.3)
    assert {256: passes == 1, 5: passes == 2, 2: passes > 4}[most_files]
    assert len(list(folder.glob("merged-*"))) > 3
    # Others, of a version that divides hashes otherwise.
    (folder / "merged-00000-of-99999.bin").write_bytes(b"")
    (folder / "words-9-00000.bin").write_bytes(b"")
    expected = count_words(DOCUMENTS, given.vocabulary)
    assert vocabulary._counted(folder, slices, TINY) == expected
    step = train_step(folder, slices, tmp_path / "vocabulary", given, TINY)
    do([step, step], folder)
    if kind == "wordpiece":
        content = vocabulary_text(train_vocabulary(expected, given.vocabulary))
    else:
        content = train_tokenizer(expected, given.vocabulary)
    assert step.result.read_text(encoding="utf-8") == content
    clean(folder)
    assert not folder.exists()


def test_files_are_the_same_whoever_does_what(corpus, tmp_path):
    """Each thread keeps what it has met in other slices."""
    given = options()
    slices = slices_of(corpus, given)
    contents = []
    for threads, seed in ((1, 0), (3, 1)):
        folder = tmp_path / str(seed)
        folder.mkdir()
        order = random.Random(seed).sample(slices, len(slices))
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(lambda s, folder=folder: count_slice(s, folder, given, None, limits=TINY),
                          order))  # fmt: skip
            for steps in merge_passes(folder, len(slices), given, TINY):
                list(pool.map(lambda step: step.work(), steps))
        contents.append(folder_bytes(folder))
    assert contents[0] == contents[1]


@pytest.mark.parametrize("most_files", [256, 3])
@pytest.mark.parametrize("range_bytes", [700, 10**6])
def test_the_rarest_words_are_left_out_and_no_character(
    corpus, tmp_path, monkeypatch, range_bytes, most_files
):
    monkeypatch.setattr(vocabulary, "_MOST_FILES", most_files)
    limits = Limits(held_characters=400, range_bytes=range_bytes, counted_words=50)
    given = options()
    slices, _ = counted(corpus, tmp_path / "steps", given, limits)
    found = vocabulary._counted(tmp_path / "steps", slices, limits)
    expected = count_words(DOCUMENTS, given.vocabulary)
    ranked = sorted(expected.words, key=lambda w: (-expected.words[w], crc32(w.encode())))
    assert found.words == {word: expected.words[word] for word in ranked[:50]}
    assert (found.characters, found.continuing) == (expected.characters, expected.continuing)


def test_counts_that_are_missing_are_not_passed_over(corpus, tmp_path, monkeypatch):
    monkeypatch.setattr(vocabulary, "_MOST_FILES", 5)
    given, folder = options(), tmp_path / "steps"
    slices, _ = counted(corpus, folder, given)
    for path in [*folder.glob("words-1-*"), folder / "words-0-00003.bin"]:
        path.unlink()
    with pytest.raises(FileNotFoundError, match="words-0-00003"):
        do(next(merge_passes(folder, slices, given, TINY)), folder)


def bytes_read():
    """Of all files, by this process, so far."""
    return int(Path("/proc/self/io").read_text().split()[1])


WRITERS = {
    "txt": txt,
    "jsonl": jsonl,
    "jsonl.gz": lambda texts: gzip.compress(jsonl(texts), 0),
    "parquet": partial(parquet, rows=100_000),
}


@pytest.mark.parametrize("kind", WRITERS)
def test_of_a_sample_only_the_share_is_read(tmp_path, kind):
    rng = random.Random(0)
    texts = [f"document{number} {rng.randbytes(500).hex()}" for number in range(8000)]
    path = tmp_path / f"a.{kind}"
    path.write_bytes(WRITERS[kind](texts))
    given = PrepareOptions(vocabulary=VocabularyOptions(sample=0.2), slice_bytes=2**24)
    (slice_,) = slices_of(path, given)
    read, told = {}, []
    for sample in (1.0, 0.2, 1e-9):
        given = PrepareOptions(vocabulary=VocabularyOptions(sample=sample), slice_bytes=2**24)
        folder = tmp_path / str(sample)
        folder.mkdir()
        before = bytes_read()
        count_slice(slice_, folder, given, None, lambda file, more: told.append((file, more)))
        read[sample] = bytes_read() - before
        for steps in merge_passes(folder, 1, given):
            do(steps, folder)
        words = vocabulary._counted(folder, 1, Limits()).words
        documents = [word for word in words if word.startswith("document")]
        assert documents == [] or f"document{len(documents) - 1}" in documents  # the first ones
        share = len(documents) / len(texts)
        if sample == 1:
            assert share == 1
        else:
            assert sample - 0.01 < share < sample + 0.1
        assert sum(more for _, more in told) == slice_.disk_bytes
        told.clear()
    assert read[1.0] >= path.stat().st_size
    assert read[0.2] < 0.35 * read[1.0]


def test_of_each_slice_the_first_document_is_counted_at_least(corpus, tmp_path):
    given = options(sample=1e-9)
    slices, _ = counted(corpus, tmp_path / "steps", given)
    words = vocabulary._counted(tmp_path / "steps", slices, TINY).words
    assert words["document"] >= slices - 3


def test_a_sample_without_words(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("\x01\x02\n\nwords\n")
    folder = tmp_path / "steps"
    folder.mkdir()
    given = options()
    slices = slices_of(path, given)
    steps = [train_step(folder, 1, tmp_path / "vocabulary", options(sample=s)) for s in (1e-9, 1)]
    with (folder / "words-0-00000.bin").open("wb") as file:
        end_runs(file)
    for merging in merge_passes(folder, len(slices), given):
        do(merging, folder)
    with pytest.raises(DataError, match="--vocab-sample 1e-09 chose documents without a single"):
        steps[0].work()
    assert not steps[0].is_done
    steps[1].work()
    assert steps[1].result.read_text().split() == ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
