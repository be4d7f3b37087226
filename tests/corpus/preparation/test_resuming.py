"""The same call again: what is kept, what is done again, and what is refused."""

from __future__ import annotations

import gzip
import json
from functools import partial
from pathlib import Path

import pytest

from electra_cli.corpus.duplicates.outcome import DuplicateOptions
from electra_cli.corpus.preparation import vocabulary
from electra_cli.corpus.preparation.engines import local, stages
from electra_cli.errors import DataError, InputMissingError, OutputError
from tests.corpus.corpora import folder_bytes, make_documents, write_text, write_vocabulary
from tests.corpus.preparation.engines.tasks import die_reading
from tests.corpus.preparation.test_pipeline import DOCUMENTS, prepare
from tests.corpus.tables import txt


@pytest.fixture
def text(tmp_path):
    return write_text(tmp_path / "text.txt", DOCUMENTS)


@pytest.fixture
def vocab(tmp_path):
    return write_vocabulary(tmp_path / "words.txt")


def test_resuming_gives_the_same_bytes(tmp_path, text, monkeypatch):
    out = tmp_path / "out"
    prepare(text, out)
    before = folder_bytes(out)
    times = {path.name: path.stat().st_mtime_ns for path in out.glob("*.npy")}
    (out / "manifest.json").unlink()
    (out / "slices" / "00001.json").unlink()
    (out / "train-00001.npy").unlink()
    (out / "train-00002.npy").write_bytes(b"cut off")
    (out / "slices" / "00003.json").write_text("{")
    (out / ".train-00001.npy.tmp").write_bytes(b"half")
    monkeypatch.setattr(vocabulary, "count_step", None)  # it is there and is not trained again
    prepare(text, out)
    assert folder_bytes(out) == before
    changed = {
        path.name for path in out.glob("*.npy") if times[path.name] != path.stat().st_mtime_ns
    }
    assert {name.split("-")[1] for name in changed} == {"00001.npy", "00002.npy", "00003.npy"}


def test_a_finished_folder_is_left_as_it_is(tmp_path, text, monkeypatch):
    first = prepare(text, tmp_path / "out")
    monkeypatch.setattr(stages, "prepare_slices", None)
    again = prepare(text, tmp_path / "out")
    assert again.megabytes_per_second == 0
    assert again.manifest == first.manifest


def test_a_held_out_shard_that_is_damaged_before_the_end_is_named(tmp_path, text, vocab):
    out = tmp_path / "out"
    prepare(text, out, vocab=vocab, validation_fraction=0.3)
    before = folder_bytes(out)
    (out / "manifest.json").unlink()
    shard = next(out.glob("validation-*.npy"))
    shard.write_bytes(shard.read_bytes()[:-2] + b"\xff\xff")
    with pytest.raises(DataError, match=f"{shard.name} has a word that begins on") as caught:
        prepare(text, out, vocab=vocab, validation_fraction=0.3)
    assert "delete this file and run the same command again" in caught.value.hint
    shard.unlink()
    prepare(text, out, vocab=vocab, validation_fraction=0.3)
    assert folder_bytes(out) == before


def test_no_secret_of_an_input_name_is_written(tmp_path, text, vocab):
    secret = "gh0stwr1ter42"
    text = text.rename(text.with_name(f"books?token={secret}.txt"))
    out = tmp_path / "out"
    prepare(text, out, vocab=vocab)
    before = folder_bytes(out)
    assert not [name for name, data in before.items() if secret.encode() in data]
    (out / "manifest.json").unlink()
    (out / "slices" / "00001.json").unlink()
    prepare(text, out, vocab=vocab)
    assert folder_bytes(out) == before


def test_no_secret_of_the_name_of_a_damaged_input_is_written(tmp_path, text, vocab):
    secret = "gh0stwr1ter42"
    damaged = tmp_path / f"more?token={secret}.txt.gz"
    damaged.write_bytes(gzip.compress(txt(DOCUMENTS))[:-20])
    out = tmp_path / "out"
    prepare([text, damaged], out, vocab=vocab, on_error="skip")
    assert json.loads((out / "manifest.json").read_text())["counts"]["damaged_inputs"] == 1
    assert not [name for name, data in folder_bytes(out).items() if secret.encode() in data]


def test_another_plan_is_refused_and_told_apart(tmp_path, text, vocab):
    prepare(text, tmp_path / "out")
    before = folder_bytes(tmp_path / "out")
    with pytest.raises(OutputError) as caught:
        prepare(text, tmp_path / "out", sequence_length=64, seed=3)
    assert caught.value.message.split("\n") == [
        f"output folder {tmp_path / 'out'} holds another preparation:",
        "  --seed was 0 and is now 3",
        "  --sequence-length was 32 and is now 64",
    ]
    with pytest.raises(OutputError, match="--vocab was not given and is now a vocabulary with SHA"):
        prepare(text, tmp_path / "out", vocab=vocab)
    size = text.stat().st_size
    smaller = write_text(text, DOCUMENTS[:50]).stat().st_size
    with pytest.raises(OutputError, match="the input files differ") as caught:
        prepare(text, tmp_path / "out")
    assert f"text.txt had {size:,} bytes and has now {smaller:,} bytes" in caught.value.message
    assert folder_bytes(tmp_path / "out") == before


SEARCHED = {"duplicates": DuplicateOptions(paragraphs=True)}


@pytest.mark.parametrize("searched", [{}, SEARCHED], ids=["words", "and duplicates"])
def test_what_was_counted_gives_way_to_a_command_with_another_vocabulary(tmp_path, searched):
    """What is said to cure the error does, and duplicates are not looked for again."""
    text, out = write_text(tmp_path / "a.txt", ["\ufffd\ufffd", *DOCUMENTS]), tmp_path / "out"
    options = {"slice_bytes": 2**20, **searched}
    with pytest.raises(DataError, match="--vocab-sample 1e-09 chose documents without") as caught:
        prepare(text, out, vocab_sample=1e-9, **options)
    assert caught.value.hint == "raise it, or leave it out to train the vocabulary on all of them"
    notes, seen = [], set()
    prepare(
        text,
        out,
        on_note=notes.append,
        on_progress=lambda fraction, words: seen.add(words),
        **options,
    )
    assert notes == [f"{out} was begun with another vocabulary, and words are counted anew"]
    assert "counting words" in seen
    assert "looking for duplicates" not in seen
    prepare(text, tmp_path / "whole", **options)
    assert folder_bytes(out) == folder_bytes(tmp_path / "whole")


@pytest.mark.parametrize("searched", [{}, SEARCHED], ids=["words", "and duplicates"])
def test_what_was_counted_gives_way_to_nothing_else(tmp_path, text, searched):
    out, bad = tmp_path / "out", tmp_path / "z.txt"
    bad.write_bytes(b"good\n\n\xff broken\n")
    with pytest.raises(DataError, match="invalid UTF-8") as caught:
        prepare([text, bad], out, **searched)
    assert "input that is corrected needs another" in caught.value.hint
    before = folder_bytes(out)
    assert searched or any(name.startswith("words/") for name in map(str, before))
    for stage in ("all", "vocabulary", "finalize"):
        with pytest.raises(OutputError, match="--sequence-length was 32 and is now 64"):
            prepare([text, bad], out, sequence_length=64, stage=stage, **searched)
    with pytest.raises(OutputError, match="--vocab-size was"):
        prepare([text, bad], out, vocab_size=299, stage="finalize", **searched)
    bad.write_bytes(b"good\n\nmended\n")
    with pytest.raises(OutputError, match=r"the input files differ:\n  z\.txt had"):
        prepare([text, bad], out, **searched)
    assert folder_bytes(out) == before


def replace(path: Path) -> None:
    """Another content of the same size, at a place that the fingerprint looks at."""
    path.write_bytes(b"D" + path.read_bytes()[1:])


@pytest.mark.parametrize("finished", [True, False])
def test_a_replaced_input_is_named(tmp_path, text, finished):
    prepare(text, tmp_path / "out")
    if not finished:
        (tmp_path / "out" / "manifest.json").unlink()
        (tmp_path / "out" / "slices" / "00001.json").unlink()
    before, content = folder_bytes(tmp_path / "out"), text.read_bytes()
    replace(text)
    with pytest.raises(DataError, match=r"text\.txt has another content than when") as caught:
        prepare(text, tmp_path / "out")
    assert "put the former file back" in caught.value.hint
    assert folder_bytes(tmp_path / "out") == before
    copy = tmp_path / "copy"
    copy.mkdir()
    (copy / "text.txt").write_bytes(content)  # another file, another time, the same content
    prepare(copy, tmp_path / "out")


def test_an_input_that_is_replaced_while_others_are_read_is_named(tmp_path, vocab, monkeypatch):
    (tmp_path / "texts").mkdir()
    for name in ("a.txt", "b.txt.gz"):
        write_text(tmp_path / "texts" / name, DOCUMENTS)
    original = stages.prepare_slices

    def prepare_slices(*arguments, **options):
        replace(tmp_path / "texts" / "b.txt.gz")
        original(*arguments, **options)

    monkeypatch.setattr(stages, "prepare_slices", prepare_slices)
    with pytest.raises(DataError, match=r"b\.txt\.gz has another content"):
        prepare(tmp_path / "texts", tmp_path / "out", vocab=vocab)


@pytest.mark.parametrize("worker_count", [1, 2])
def test_inputs_that_vanish_are_named_when_all_others_are_prepared(
    tmp_path, vocab, monkeypatch, worker_count
):
    texts, away, out = tmp_path / "texts", tmp_path / "away", tmp_path / "out"
    texts.mkdir()
    for name in ("a.txt", "b.txt", "c.txt.gz", "d.txt.gz", "e.txt"):
        content = txt(make_documents(200, seed=ord(name[0])))
        (texts / name).write_bytes(gzip.compress(content) if name.endswith("gz") else content)
    options = {"vocab": vocab, "workers": worker_count}
    prepare(texts, tmp_path / "whole", **options)
    names = sorted(path.name for path in texts.iterdir())
    slices = json.loads((tmp_path / "whole" / "plan.json").read_text())["slices"]
    lost = {
        index
        for index, parts in enumerate(slices)
        if {"b.txt", "d.txt.gz"} & {names[number] for number, _, _ in parts}
    }
    assert 2 <= len(lost) < len(slices) - 2
    original = stages.prepare_slices

    def prepare_slices(*arguments, **options):
        away.mkdir()
        for name in ("b.txt", "d.txt.gz"):
            (texts / name).rename(away / name)
        original(*arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr(stages, "prepare_slices", prepare_slices)
        with pytest.raises(InputMissingError, match=r"b\.txt.*; .*d\.txt\.gz") as caught:
            prepare(texts, out, **options)
    assert "put it back and run the same command" in caught.value.hint
    finished = {i for i in range(len(slices)) if (out / "slices" / f"{i:05d}.json").exists()}
    assert finished == set(range(len(slices))) - lost
    times = {path: path.stat().st_mtime_ns for path in out.glob("slices/*.json")}
    for path in away.iterdir():
        path.rename(texts / path.name)
    prepare(texts, out, **options)
    assert {path: path.stat().st_mtime_ns for path in times} == times
    assert folder_bytes(out) == folder_bytes(tmp_path / "whole")


@pytest.mark.parametrize("trained", [True, False])
def test_an_edited_vocabulary_is_refused(tmp_path, text, vocab, trained):
    out, options = tmp_path / "out", {} if trained else {"vocab": vocab}
    prepare(text, out, **options)
    before = folder_bytes(out)
    (out / "manifest.json").unlink()
    (out / "slices" / "00001.json").unlink()
    lines = (out / "vocab.txt").read_text().splitlines()
    (out / "vocab.txt").write_text("\n".join([*lines[:-2], lines[-1], lines[-2]]) + "\n")
    with pytest.raises(DataError, match=r"vocab\.txt was changed") as caught:
        prepare(text, out, **options)
    assert f"delete {out / 'vocab.txt'} and run the same command" in caught.value.hint
    (out / "vocab.txt").unlink()
    prepare(text, out, **options)
    assert folder_bytes(out) == before


@pytest.mark.parametrize("worker_count", [1, 2])
@pytest.mark.parametrize("kind", ["text", "stream"])
@pytest.mark.parametrize("deaths", [1, 2])
def test_a_worker_that_dies_is_told_and_the_rest_is_kept(
    tmp_path, text, vocab, monkeypatch, worker_count, kind, deaths
):
    """It is killed while it reads the slice: once, and another does the work; or twice."""
    if kind == "stream":
        text = text.rename(tmp_path / "a.txt.gz")
        text.write_bytes(gzip.compress(text.read_bytes()))
    options = {"vocab": vocab, "validation_fraction": 0.1}
    out, expected = tmp_path / "out", tmp_path / "expected"
    prepare(text, expected, **options)
    with monkeypatch.context() as patched:
        for name in ("prepare_slice", "prepare_stream_slice"):
            deadly = partial(die_reading, deaths, tmp_path / "deaths", getattr(local, name))
            patched.setattr(local, name, deadly)
        (tmp_path / "deaths").mkdir()
        if deaths == 1:
            prepare(text, out, workers=worker_count, **options)
        else:
            with pytest.raises(DataError) as caught:
                prepare(text, out, workers=worker_count, **options)
            assert caught.value.exit_code == 65
            assert f"a worker process that read {text} ended by SIGKILL" in caught.value.message
            assert caught.value.message.startswith("slice ")
            assert not (out / "manifest.json").exists()
    assert len(list((tmp_path / "deaths").iterdir())) >= deaths
    kept = {path: path.stat().st_mtime_ns for path in out.glob("slices/*.json")}
    assert kept
    prepare(text, out, **options)
    assert {path: path.stat().st_mtime_ns for path in kept} == kept
    assert folder_bytes(out) == folder_bytes(expected)


@pytest.mark.parametrize("worker_count", [1, 2])
def test_an_interrupt_leaves_a_folder_that_can_go_on(tmp_path, text, vocab, worker_count):
    def interrupt(fraction: float, stage: str) -> None:
        if fraction > 0.3:
            raise KeyboardInterrupt

    options = {"vocab": vocab}
    with pytest.raises(KeyboardInterrupt):
        prepare(text, tmp_path / "out", on_progress=interrupt, workers=worker_count, **options)
    assert (tmp_path / "out" / "plan.json").is_file()
    assert not (tmp_path / "out" / "manifest.json").exists()
    prepare(text, tmp_path / "out", **options)
    prepare(text, tmp_path / "whole", **options)
    assert folder_bytes(tmp_path / "out") == folder_bytes(tmp_path / "whole")
