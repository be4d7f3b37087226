"""The same bytes whoever prepares the slices, and however often that is interrupted."""

from __future__ import annotations

import gzip
import io
import multiprocessing
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from electra_cli.corpus.preparation.engines import beam as beam_engine
from electra_cli.errors import (
    ConfigError,
    DataError,
    InputMissingError,
    TrainingError,
    TryAgainError,
)
from tests.corpus.corpora import folder_bytes, make_documents, write_text, write_vocabulary
from tests.prepared import prepare

DOCUMENTS = make_documents(300)
OPTIONS = {"sequence_length": 32, "slice_bytes": 8000, "validation_fraction": 0.05}


@pytest.fixture(scope="module")
def corpus(tmp_path_factory) -> Path:
    """A text, and a compressed one that is a stream of several blocks."""
    folder = tmp_path_factory.mktemp("engines") / "texts"
    folder.mkdir()
    write_text(folder / "a.txt", DOCUMENTS[:200])
    with gzip.open(folder / "b.txt.gz", "wt", encoding="utf-8") as file:
        file.write("\n\n".join(DOCUMENTS[200:]))
    return folder


@pytest.fixture(scope="module")
def options(corpus):
    return OPTIONS | {"vocab": write_vocabulary(corpus.parent / "words.txt")}


@pytest.fixture(scope="module")
def expected(corpus, options):
    prepare(corpus, corpus.parent / "expected", **options)
    return folder_bytes(corpus.parent / "expected")


def test_tasks_that_begin_at_once(corpus, options, tmp_path):
    """Real processes on one new folder, each making the plan."""
    command = [sys.executable, "-m", "electra_cli", "prepare-data", str(corpus)]
    out, vocab = tmp_path / "out", options["vocab"]
    command += ["--output", str(out), "--vocab", str(vocab)]
    command += ["--stage", "prepare", "--num-tasks", "2"]
    tasks = [subprocess.Popen([*command, "--task-index", str(index)]) for index in range(2)]
    assert [task.wait() for task in tasks] == [0, 0]
    prepare(corpus, out, vocab=vocab, stage="finalize")
    prepare(corpus, tmp_path / "whole", vocab=vocab)
    assert folder_bytes(out) == folder_bytes(tmp_path / "whole")


# Beam looks for packages that it can do without.
_BEAM = pytest.mark.filterwarnings("ignore:Please install grpcio-status:ImportWarning")


@_BEAM
@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("--direct_running_mode=multi_processing", "--direct_num_workers=2"),
        ("--direct_running_mode=multi_threading", "--direct_num_workers=4"),
    ],
    ids=["in memory", "two processes", "four threads"],
)
def test_beam(corpus, options, expected, tmp_path, arguments):
    out = tmp_path / "out"
    prepare(corpus, out, engine="beam", engine_args=arguments, **options)
    assert folder_bytes(out) == expected


def test_threads_of_one_process_take_turns(monkeypatch):
    """They share tables of words, and with long slices one would meet the ids of another."""
    seen: list[bool] = []
    held = beam_engine._one_at_a_time
    monkeypatch.setattr(beam_engine, "prepare_slice", lambda *_: seen.append(held.locked()))
    beam_engine._run(SimpleNamespace(index=7), settings=None)
    assert (seen, held.locked()) == ([True], False)


@_BEAM
def test_beam_goes_on_where_another_engine_stopped(corpus, options, expected, tmp_path):
    out = tmp_path / "out"
    prepare(corpus, out, stage="prepare", task_index=0, num_tasks=2, **options)
    prepare(corpus, out, engine="beam", **options)
    assert folder_bytes(out) == expected


@_BEAM
def test_beam_tells_what_is_wrong_with_the_input(options, tmp_path):
    text = tmp_path / "bad.txt"
    bad = "\n\n".join(DOCUMENTS[:40]).encode() + b"\n\n\xff\xfe broken\n"
    text.write_bytes(bad + bad)  # in several slices
    with pytest.raises(DataError, match=r"bad\.txt, line \d+: invalid UTF-8") as caught:
        prepare(text, tmp_path / "out", engine="beam", **options)
    assert "--on-error skip" in caught.value.hint
    prepare(text, tmp_path / "out", engine="beam", on_error="skip", **options)
    assert not list((tmp_path / "out").rglob("*.error"))


@_BEAM
def test_beam_names_all_inputs_that_vanished(options, tmp_path, monkeypatch):
    """As the local engine does, after the others are prepared."""
    texts, out = tmp_path / "texts", tmp_path / "out"
    texts.mkdir()
    for number in range(8):
        write_text(texts / f"{number}.txt", DOCUMENTS[20 * number : 20 * number + 20])
    original = beam_engine.prepare_with_beam

    def prepare_with_beam(*arguments, **options):
        for number in range(1, 8):
            (texts / f"{number}.txt").rename(tmp_path / f"{number}.txt")
        original(*arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr(beam_engine, "prepare_with_beam", prepare_with_beam)
        with pytest.raises(InputMissingError, match=r"1\.txt.*; .*5\.txt.* and 2 more") as caught:
            prepare(texts, out, engine="beam", **options)
    assert "put it back and run the same command" in caught.value.hint
    assert list(out.glob("slices/*.json"))
    assert not list(out.rglob("*.error"))
    for number in range(1, 8):
        (tmp_path / f"{number}.txt").rename(texts / f"{number}.txt")
    prepare(texts, out, engine="beam", **options)
    prepare(texts, tmp_path / "whole", **options)
    assert folder_bytes(out) == folder_bytes(tmp_path / "whole")


@pytest.mark.parametrize(
    ("failure", "error"),
    [
        (TypeError("unsupported operand [while running 'prepare']"), TrainingError),
        (RuntimeError("Traceback\n  …\nModuleNotFoundError: No module named 'x'"), TrainingError),
        (RuntimeError("OSError: [Errno 5] Input/output error: '/x'"), TryAgainError),
        (RuntimeError("OSError: [Errno 28] No space left on device"), OSError),
        (RuntimeError("the channel was closed"), TryAgainError),
        (RuntimeError(), TryAgainError),
    ],
)
def test_beam_is_tried_again_only_where_that_may_help(tmp_path, failure, error):
    assert type(beam_engine._failed(failure, tmp_path)) is error


@_BEAM
@pytest.mark.parametrize(
    ("argument", "reason"),
    [
        ("--direct_num_workers=many", "invalid int value: 'many'"),
        ("--runner=NoSuchRunner", "Unexpected pipeline runner: NoSuchRunner"),
        ("--nonsense=1", "it has no option --nonsense=1"),
        ("nonsense", "it has no option nonsense"),
    ],
)
def test_beam_refuses_an_argument(corpus, options, tmp_path, argument, reason, capsys):
    """Before anything is written."""
    with pytest.raises(ConfigError, match=f"Beam refuses --beam-arg {argument}: .*{reason}"):
        prepare(corpus, tmp_path / "out", engine="beam", engine_args=(argument,), **options)
    assert "usage:" not in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@_BEAM
def test_beam_prepares_standard_input(corpus, options, tmp_path, monkeypatch):
    """Which its workers find in the output folder."""
    for engine in ("local", "beam"):
        stdin = io.BytesIO((corpus / "a.txt").read_bytes())
        monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=stdin))
        prepare(Path("-"), tmp_path / engine, engine=engine, **options)
    assert folder_bytes(tmp_path / "beam") == folder_bytes(tmp_path / "local")


def run_alone(corpus: Path, out: Path, workers: int) -> None:
    """Prepares in a process group of its own."""
    os.setsid()
    prepare(corpus, out, workers=workers, vocab_size=300, sequence_length=32, slice_bytes=1000)


def test_kills_at_random_moments(corpus, tmp_path):
    """Each run is killed, with its workers, a little after it has finished one slice more.

    One run in four has two workers. The run itself comes out of a server that has imported
    everything; its workers do not.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.prepared"])
    out = tmp_path / "out"

    def start(folder: Path, workers: int) -> multiprocessing.Process:
        process = context.Process(target=run_alone, args=(corpus, folder, workers))
        process.start()
        return process

    def finished() -> dict[str, int]:
        return {path.name: path.stat().st_mtime_ns for path in out.glob("slices/*.json")}

    whole = start(tmp_path / "whole", 1)
    rng = random.Random(20)
    for number in range(8):
        before = finished()
        process = start(out, workers=1 + (number % 4 == 3))
        while len(finished()) <= len(before) and process.is_alive():
            time.sleep(0.001)
        time.sleep(rng.random() * 0.01)
        assert process.is_alive(), "it ended before it was killed so often"
        os.killpg(process.pid, signal.SIGKILL)
        process.join()
        assert before.items() <= finished().items()  # nothing that was finished is done again
    last = start(out, 2)
    for process in (last, whole):
        process.join()
        assert process.exitcode == 0
    assert folder_bytes(out) == folder_bytes(tmp_path / "whole")
