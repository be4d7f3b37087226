"""The same bytes whoever prepares the slices, and however often that is interrupted."""

from __future__ import annotations

import gzip
import multiprocessing
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.corpus.corpora import folder_bytes, make_documents, write_text, write_vocabulary
from tests.prepared import prepare

DOCUMENTS = make_documents(300)
OPTIONS = {"sequence_length": 32, "slice_bytes": 8000, "validation_fraction": 0.05}


@pytest.fixture(scope="module")
def corpus(tmp_path_factory) -> Path:
    """A text, and a compressed one that is a stream of several slices."""
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
