from __future__ import annotations

import gzip

import pytest

from electra_cli.corpus.preparation.options import PrepareOptions, SliceSettings
from electra_cli.corpus.preparation.plan import make_plan
from electra_cli.corpus.preparation.slices import cut_stream
from electra_cli.corpus.reading.discovery import find_inputs
from electra_cli.corpus.shards.manifest import VocabularyFile
from electra_cli.corpus.wordpiece.vocabulary import SpecialIds
from electra_cli.errors import DataError
from tests.corpus.corpora import folder_bytes, make_documents, write_text, write_vocabulary
from tests.corpus.preparation.test_pipeline import prepare, rows
from tests.corpus.tables import jsonl, parquet, txt, write_tar, write_zip

DOCUMENTS = make_documents(120)
VOCAB = VocabularyFile(file="vocab.txt", size=5, sha256="")
IDS = SpecialIds(pad=0, unk=1, cls=2, sep=3, mask=4)


@pytest.fixture
def vocab(tmp_path):
    return write_vocabulary(tmp_path / "words.txt")


@pytest.fixture
def stream(tmp_path):
    path = tmp_path / "a.jsonl.gz"
    path.write_bytes(gzip.compress(jsonl(DOCUMENTS)))
    return path


def slices_of(path, slice_bytes=8000):
    files = find_inputs([path], exclude=path.parent / "o")
    return make_plan(files, options={}, text_field="text", slice_bytes=slice_bytes).slices


def cut(path, slice_bytes, **options):
    """The slices of a stream, and the names of files that were told while it was read."""
    (slice_,) = slices_of(path)
    assert slice_.is_stream
    settings = SliceSettings(PrepareOptions(slice_bytes=slice_bytes), path.parent, VOCAB, IDS, 0)
    told = []
    found = list(cut_stream(slice_, settings, lambda *said: told.append(said), **options))
    assert set(told) == {(str(path), 0)}
    return found


def write_corpus(folder):
    """Three streams, one of them too many for two workers, a table and plain text."""
    folder.mkdir()
    (folder / "a.jsonl.gz").write_bytes(gzip.compress(jsonl(DOCUMENTS[:30])))
    write_tar(folder / "b.tar", {"x.txt": txt(DOCUMENTS[30:60])})
    write_zip(folder / "c.zip", {"x.txt": txt(DOCUMENTS[60:90])})
    (folder / "d.parquet").write_bytes(parquet(DOCUMENTS[90:105], rows=1))
    write_text(folder / "e.txt", DOCUMENTS[105:])
    return folder


def test_what_is_passed_over_in_a_stream_counts_once(tmp_path, vocab):
    members = {f"{n}.{kind}": txt(DOCUMENTS[:30]) for n in range(3) for kind in ("txt", "c", "h")}
    write_tar(tmp_path / "a.tar", members | {"blob": bytes(99), "0.h5": b"x"})
    result = prepare(tmp_path / "a.tar", tmp_path / "out", vocab=vocab, slice_bytes=8000)
    assert len(list((tmp_path / "out" / "slices").glob("*.json"))) > 2
    assert result.manifest.counts.passed_over == {".c": 3, ".h": 3, ".h5": 1, "no ending": 1}
    assert (result.manifest.counts.files, result.manifest.counts.passed_over_members) == (3, 8)
    (tmp_path / "out" / "manifest.json").unlink()
    again = prepare(tmp_path / "a.tar", tmp_path / "out", vocab=vocab, slice_bytes=8000)
    assert again.manifest == result.manifest


def test_same_bytes_for_any_number_of_workers_and_the_rows_of_plain_text(tmp_path, vocab):
    corpus = write_corpus(tmp_path / "corpus")
    streams = [slice_ for slice_ in slices_of(corpus, 2500) if slice_.is_stream]
    assert [part.file.name for slice_ in streams for part in slice_.parts] == [
        "a.jsonl.gz", "b.tar", "c.zip",
    ]  # fmt: skip
    options = {"vocab": vocab, "slice_bytes": 2500, "validation_fraction": 0.1}
    for count in (1, 2, 4):
        prepare(corpus, tmp_path / str(count), workers=count, **options)
    one = folder_bytes(tmp_path / "1")
    assert folder_bytes(tmp_path / "2") == one
    assert folder_bytes(tmp_path / "4") == one
    assert {"train-00000-00000.npy", "train-00000-00001.npy", "slices/00000-00001.json"} <= set(one)
    prepare(write_text(tmp_path / "plain.txt", DOCUMENTS), tmp_path / "plain", **options)
    for split in ("train", "validation"):
        assert rows(tmp_path / "1", split) == rows(tmp_path / "plain", split)


def test_very_many_documents_fill_a_slice(stream):
    documents = [
        found.text.decode().split("\n\n") for found in cut(stream, 10**9, most_documents=7)
    ]
    assert list(map(len, documents)) == [7] * 17 + [1]
    assert [text for some in documents for text in some] == DOCUMENTS


def test_a_vocabulary_is_trained_on_streams_too(tmp_path):
    corpus = write_corpus(tmp_path / "corpus")
    text = write_text(tmp_path / "plain.txt", DOCUMENTS)
    prepare(corpus, tmp_path / "a")
    prepare(text, tmp_path / "b")
    assert (tmp_path / "a" / "vocab.txt").read_text() == (tmp_path / "b" / "vocab.txt").read_text()


@pytest.mark.parametrize("worker_count", [1, 2])
def test_a_second_run_prepares_what_is_missing_of_a_stream(tmp_path, stream, vocab, worker_count):
    out = tmp_path / "out"
    prepare(stream, out, vocab=vocab, validation_fraction=0.1)
    before = folder_bytes(out)
    times = {path.name: path.stat().st_mtime_ns for path in out.glob("*.npy")}
    for name in ("manifest.json", "slices/00000.json", "slices/00000-00001.json"):
        (out / name).unlink()
    (out / "train-00000-00002.npy").write_bytes(b"cut off")
    prepare(stream, out, vocab=vocab, validation_fraction=0.1, workers=worker_count)
    assert folder_bytes(out) == before
    changed = {
        path.name for path in out.glob("*.npy") if times[path.name] != path.stat().st_mtime_ns
    }
    assert {name[-9:] for name in changed} == {"00001.npy", "00002.npy"}


@pytest.mark.parametrize("worker_count", [1, 2])
def test_the_lowest_hash_is_held_out_if_the_fraction_catches_none(
    tmp_path, stream, vocab, worker_count
):
    options = {"vocab": vocab, "validation_fraction": 1e-9}
    prepare(stream, tmp_path / "a", workers=worker_count, **options)
    prepare(write_text(tmp_path / "plain.txt", DOCUMENTS), tmp_path / "b", **options)
    assert rows(tmp_path / "a", "validation") == rows(tmp_path / "b", "validation") != []
    assert rows(tmp_path / "a", "train") == rows(tmp_path / "b", "train")


@pytest.mark.parametrize("worker_count", [1, 2])
def test_faults_are_named_or_counted_wherever_they_are(tmp_path, vocab, worker_count):
    lines = jsonl(DOCUMENTS).splitlines()
    lines[0] = b"{broken"
    lines[70] = b'{"text": "\xff"}'
    content = b"\n".join([*lines, b"[]", b"7"])
    path = tmp_path / "a.jsonl.gz"
    path.write_bytes(gzip.compress(content))
    options = {"vocab": vocab, "workers": worker_count}
    with pytest.raises(DataError, match=r"a\.jsonl\.gz, line 1: not valid JSON"):
        prepare(path, tmp_path / "out", **options)
    counts = prepare(path, tmp_path / "out", on_error="skip", **options).manifest.counts
    assert (counts.documents, counts.bad_json_lines, counts.invalid_utf8) == (118, 3, 1)
    assert counts.input_bytes == len(content)


@pytest.mark.parametrize("worker_count", [1, 2])
def test_progress_grows_to_the_whole(tmp_path, stream, vocab, worker_count):
    seen: list[float] = []
    prepare(
        stream, tmp_path / "out", vocab=vocab, workers=worker_count,
        on_progress=lambda fraction, stage: seen.append(fraction),
    )  # fmt: skip
    assert seen == sorted(seen)
    assert seen[-1] == pytest.approx(1)


def test_slices_end_behind_the_document_that_fills_them(stream):
    found = cut(stream, 3000)
    assert "\n\n".join(each.text.decode() for each in found if each.text) == "\n\n".join(DOCUMENTS)
    assert len(found) > 10
    assert [each.number for each in found] == list(range(len(found)))
    assert [each.is_last for each in found] == [False] * (len(found) - 1) + [True]
    for each in found[:-1]:
        last = each.text.decode().split("\n\n")[-1]
        assert 3000 <= len(each.text) < 3000 + 2 * len(last)
    assert sum(each.read.counts.input_bytes for each in found) == len(jsonl(DOCUMENTS))
    assert sum(each.read.disk_bytes for each in found) == stream.stat().st_size
