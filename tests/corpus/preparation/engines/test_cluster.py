"""What every cluster has in common: how tasks get there, what comes back, and what goes wrong."""

from __future__ import annotations

import os
import pickle
import sys
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from types import ModuleType

import pytest

from electra_cli.corpus.preparation.engines import cluster, dask, errand, stages
from electra_cli.corpus.preparation.engines.cluster import ClusterEngine
from electra_cli.corpus.preparation.engines.errand import Refusal
from electra_cli.corpus.preparation.engines.workers import Task
from electra_cli.errors import (
    ConfigError,
    DataError,
    ElectraError,
    InputMissingError,
    TrainingError,
    TryAgainError,
)
from tests.corpus.corpora import (
    folder_bytes,
    make_documents,
    names_in,
    write_text,
    write_vocabulary,
)
from tests.corpus.preparation.engines import tasks
from tests.corpus.preparation.engines.clusters import Here
from tests.prepared import prepare


def reading(names):
    return [Task(f"slice {n}", n, partial(tasks.read, n), weight=3) for n in names]


@pytest.fixture
def here(monkeypatch):
    """What `--engine dask` is for the test."""
    found = Here()

    @contextmanager
    def connected(engine_args, on_warning):
        yield found

    monkeypatch.setattr(dask, "connected", connected)
    return found


def test_tasks_go_out_in_windows_and_progress_is_what_is_done(tmp_path):
    here, done = Here(at_once=2, most=5), []
    engine = ClusterEngine(here, tmp_path)
    found = [(t.file, result) for t, result in engine.run(reading("abcdefg"), done.append)]
    assert found == [(name, name) for name in "abcdefg"]
    assert done == [3, 6, 9, 12, 15, 18, 21]
    assert (here.largest, here.cancelled, names_in(tmp_path)) == (5, 0, [])
    assert list(engine.run([], done.append)) == []
    many = Here(at_once=sys.maxsize, most=sys.maxsize)
    assert len(list(ClusterEngine(many, tmp_path).run(reading("abc"), done.append))) == 3


def test_errors_come_back_as_they_are_and_end_their_task_alone(tmp_path):
    errors = [DataError("bad", hint="mend it"), OSError(28, "full", "x"), ValueError("?")]
    work = [Task("slice 0", "", partial(tasks.fail, error)) for error in errors]
    found = list(ClusterEngine(Here(), tmp_path).run(work, lambda done: None))
    for error, (_, result) in zip(errors, found, strict=True):
        assert (type(result), str(result)) == (type(error), str(error))
        assert vars(error).items() <= vars(result).items()
        assert "in fail" in result.__notes__[0]


def test_a_cluster_that_is_gone_cannot_be_told_to_stop(tmp_path):
    class Gone(Here):
        def wait(self, seconds):
            raise ConnectionError("lost")

        def cancel(self):
            raise RuntimeError("the client is closed")

    with pytest.raises(TryAgainError, match="the cluster failed: lost"):
        list(ClusterEngine(Gone(), tmp_path).run(reading("ab"), lambda done: None))


def test_threads_of_one_process_take_turns(tmp_path):
    """They share tables of words, and with long slices one would meet the ids of another."""
    work = [Task("slice 0", "", partial(tasks.is_alone, "_one_at_a_time"))]
    assert [r for _, r in ClusterEngine(Here(), tmp_path).run(work, lambda done: None)] == [True]


def test_the_same_bytes_from_relative_paths(
    here, texts, all_stages, expected, tmp_path, monkeypatch
):
    """Workers run in other folders than the command."""
    monkeypatch.chdir(tmp_path)
    prepare(Path(os.path.relpath(texts)), Path("out"), engine="dask", **all_stages)
    assert folder_bytes(tmp_path / "out") == expected
    assert here.largest > 1


@pytest.mark.parametrize("hidden", ["texts", "out", "out/vocab.txt"])
def test_a_worker_that_does_not_see_what_it_needs_is_named(here, tmp_path, hidden):
    texts, out = tmp_path / "texts", tmp_path / "out"
    texts.mkdir()
    write_text(texts / "a.txt", make_documents(20))
    here.hidden = tmp_path / hidden
    options = {"vocab": write_vocabulary(tmp_path / "words.txt"), "sequence_length": 32}
    with pytest.raises(ConfigError) as caught:
        prepare(texts, out, engine="dask", **options)
    name = "a.txt" if hidden == "texts" else hidden.partition("/")[2]
    assert "a worker of the cluster, " in caught.value.message
    assert "does not see" in caught.value.message
    assert name in caught.value.message
    assert caught.value.hint == "mount it on all workers, under the path that it has here"
    assert {"plan.json", "slices", "vocab.txt"} == set(names_in(out))
    assert names_in(out / "slices") == []
    here.hidden = None
    prepare(texts, out, engine="dask", **options)
    prepare(texts, tmp_path / "whole", **options)
    assert folder_bytes(out) == folder_bytes(tmp_path / "whole")


def test_a_worker_of_another_version_is_named(tmp_path, monkeypatch):
    versions = iter([{"electra": "2.0", "Python": "3.11"}, {"electra": "1.9", "Python": "3.11"}])
    monkeypatch.setattr(errand, "identity", lambda: next(versions))
    with pytest.raises(ConfigError) as caught:
        list(ClusterEngine(Here(), tmp_path).run(reading("a"), lambda done: None))
    assert f"process {os.getpid()}, has electra 1.9" in caught.value.message
    assert caught.value.message.endswith("and this command electra 2.0")
    assert caught.value.hint.endswith("in the Python of all workers: electra 2.0")


def test_a_worker_without_this_package_is_named(tmp_path, monkeypatch):
    """What it is sent says so itself, since nothing of the package can."""
    engine = ClusterEngine(Here(), tmp_path).run(reading("a"), lambda done: None)
    monkeypatch.setitem(sys.modules, errand.__name__, None)
    monkeypatch.delattr("electra_cli.corpus.preparation.engines.errand")
    with pytest.raises(ConfigError, match=r"process .* has not this version of electra: .*import"):
        next(engine)


def test_all_inputs_that_vanished_are_named(here, tmp_path, monkeypatch):
    """As the local engine does, after the others are prepared."""
    texts, out = tmp_path / "texts", tmp_path / "out"
    texts.mkdir()
    for number in range(8):
        write_text(texts / f"{number}.txt", make_documents(20, seed=number))
    options = {"vocab": write_vocabulary(tmp_path / "words.txt"), "slice_bytes": 8000}
    original = stages.prepare_slices

    def prepare_slices(*arguments, **options):
        for number in range(1, 8):
            (texts / f"{number}.txt").rename(tmp_path / f"{number}.txt")
        return original(*arguments, **options)

    monkeypatch.setattr(stages, "prepare_slices", prepare_slices)
    with pytest.raises(InputMissingError, match=r"1\.txt.*; .*5\.txt.* and 2 more") as caught:
        prepare(texts, out, engine="dask", **options)
    assert "put it back and run the same command" in caught.value.hint
    assert len(names_in(out / "slices")) == 2  # both of 0.txt


def test_an_error_lets_what_is_at_work_end_and_an_interrupt_does_not_wait(tmp_path):
    here = Here(most=4)
    found = ClusterEngine(here, tmp_path).run(reading("abcdefgh"), lambda done: None)
    next(found)
    found.close()
    assert (len(here.waiting), here.cancelled, names_in(tmp_path)) == (0, 0, [])

    def interrupt(done):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        list(ClusterEngine(here, tmp_path).run(reading("abcdefgh"), interrupt))
    assert (here.cancelled, names_in(tmp_path)) == (1, [])


def test_what_nobody_wants_any_more_ends_where_it_reads(tmp_path):
    """Also where a cluster cannot stop it."""
    work = [Task("slice 0", "", partial(tasks.report_for_ever, tmp_path))]
    with errand.written(work, tmp_path) as errands:
        pass
    _, answer = errands.perform(errands.tickets[0])
    refusal: Refusal = pickle.loads(answer)
    assert refusal[1].startswith("does not see the output folder")
    gone = errand.answer(pickle.dumps(work[0].work), str(tmp_path / "x"), errand.identity(), "w")
    assert isinstance(pickle.loads(gone).value, InterruptedError)
    assert names_in(tmp_path) == []


def test_that_there_are_no_workers_is_told_once(tmp_path, monkeypatch):
    monkeypatch.setattr(cluster, "_SECONDS_WITHOUT_WORKERS", 0)
    here, told = Here(is_silent=True), []
    looks = iter([None, None, None])

    def has_workers():
        if next(looks, "") is None:
            return False
        here.is_silent = False
        return True

    monkeypatch.setattr(here, "has_workers", has_workers)
    assert len(list(ClusterEngine(here, tmp_path, told.append).run(reading("a"), print))) == 1
    assert told == ["the cluster has no workers; waiting for one"]


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
def test_a_cluster_is_tried_again_only_where_that_may_help(tmp_path, monkeypatch, failure, error):
    engine = ClusterEngine(Here(failure=failure), tmp_path)
    ((_, result),) = engine.run(reading("a"), lambda done: None)
    assert type(result) is error
    if isinstance(result, ElectraError):
        assert result.message.endswith("(slice a, a)")
    here = Here()
    monkeypatch.setattr(here, "wait", lambda seconds: (_ for _ in ()).throw(failure))
    with pytest.raises(error):
        list(ClusterEngine(here, tmp_path).run(reading("a"), lambda done: None))


def _pretend_spark(monkeypatch):
    """PySpark is large, and here nothing of it is asked but whether it is there."""
    monkeypatch.setitem(sys.modules, "pyspark", ModuleType("pyspark"))


@pytest.mark.parametrize(
    ("engine", "library", "arguments", "what", "hint"),
    [
        ("dask", "distributed", (), "needs Dask, which is not installed", "'.[dask]'"),
        ("spark", "pyspark", ("master=local",), "needs PySpark, which is not", "'.[spark]'"),
        ("beam", "apache_beam", (), "needs Apache Beam, which is not installed", "'.[beam]'"),
        ("dask", "", ("scheduler",), "--engine-arg scheduler is not KEY=VALUE", "scheduler=…"),
        ("dask", "", ("schedular=x:1",), "knows no --engine-arg schedular=", "scheduler=tcp://"),
        ("spark", "", ("mastre=x",), "knows no --engine-arg mastre=", "--engine-arg master="),
        ("dask", "", (), "--engine dask needs a scheduler", "scheduler=tcp://HOST:8786"),
        ("dask", "", ("scheduler=x",), "is no address that Dask knows: missing port", "HOST:PORT"),
        ("spark", "", ("master=spark://x:y",), "is no master: Port could not", "spark://HOST"),
    ],
)
def test_an_engine_that_cannot_be(
    texts, tmp_path, monkeypatch, engine, library, arguments, what, hint
):
    """Before anything is read or written."""
    _pretend_spark(monkeypatch)
    if library:
        monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(ConfigError, match=what) as caught:
        prepare(texts, tmp_path / "out", engine=engine, engine_args=arguments)
    assert hint in caught.value.hint
    assert names_in(tmp_path) == []


@pytest.mark.parametrize(
    ("engine", "argument"),
    [("dask", "scheduler=tcp://127.0.0.1:1"), ("spark", "master=spark://127.0.0.1:1,127.0.0.1:1")],
)
def test_a_scheduler_out_of_reach(texts, tmp_path, monkeypatch, engine, argument):
    _pretend_spark(monkeypatch)
    with pytest.raises(TryAgainError, match=r"127.0.0.1:1 does not answer: .*refused"):
        prepare(texts, tmp_path / "out", engine=engine, engine_args=(argument,))
    assert names_in(tmp_path) == []
