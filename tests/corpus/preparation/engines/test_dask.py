"""A real Dask cluster: a scheduler and two workers, each a process of its own."""

from __future__ import annotations

from functools import partial
from types import SimpleNamespace

import pytest
from distributed import KilledWorker

from electra_cli.corpus.preparation.engines import dask, local
from electra_cli.corpus.preparation.engines.cluster import ClusterEngine
from electra_cli.corpus.preparation.engines.workers import Task
from electra_cli.errors import DataError, TryAgainError
from tests.corpus.corpora import folder_bytes, make_documents
from tests.corpus.preparation.engines import tasks
from tests.corpus.preparation.engines.clusters import dask_cluster
from tests.prepared import prepare

pytestmark = pytest.mark.slow


@pytest.fixture
def arguments(dask_scheduler):
    return {"engine": "dask", "engine_args": (f"scheduler={dask_scheduler}",)}


def test_errors_of_the_input_are_those_of_the_local_engine(arguments, tmp_path):
    text, found = tmp_path / "bad.txt", []
    text.write_bytes("\n\n".join(make_documents(40)).encode() + b"\n\n\xff\xfe broken\n")
    for engine in ({}, arguments):
        with pytest.raises(DataError) as caught:
            prepare(text, tmp_path / "out", vocab_size=300, slice_bytes=8000, **engine)
        found.append((caught.value.message, caught.value.hint))
        assert not list((tmp_path / "out" / "slices").iterdir())  # what was counted stays
    assert found[0] == found[1]


def test_closing_ends_what_is_at_work_and_begins_no_more(dask_scheduler, tmp_path):
    work = [Task("quick", "a", partial(tasks.read_beside_another, tmp_path))]
    work += [Task("slow", "a", partial(tasks.report_for_ever, tmp_path)) for _ in range(20)]
    with dask.connected([f"scheduler={dask_scheduler}"], print) as cluster:
        found = ClusterEngine(cluster, tmp_path).run(work, lambda done: None)
        assert next(found)[1] == "a.txt"
        found.close()
    ends = [path.suffix for path in tmp_path.iterdir()]
    assert ends.count(".begun") == ends.count(".ended") in (1, 2)
    assert len(ends) == 2 * ends.count(".begun")


def test_a_task_at_which_all_workers_die_is_told():
    class Future:
        def result(self):
            raise KilledWorker("perform-1", SimpleNamespace(address="tcp://10.0.0.5:1"), 3)

    assert str(dask._answer(Future())) == (
        "4 of its workers died while they had it, the last was tcp://10.0.0.5:1"
    )


def test_the_same_bytes_though_a_worker_is_killed(
    arguments, texts, all_stages, expected, tmp_path, monkeypatch
):
    """By kill -9, while it reads the third slice."""
    (tmp_path / "tries").mkdir()
    kills = partial(tasks.die_reading, 1, tmp_path / "tries", local.prepare_slice)
    monkeypatch.setattr(local, "prepare_slice", kills)
    prepare(texts, tmp_path / "out", **arguments, **all_stages)
    assert (tmp_path / "tries" / "0").exists()  # it was killed
    assert folder_bytes(tmp_path / "out") == expected


def test_a_scheduler_that_is_killed_is_told_and_another_one_goes_on(
    arguments, texts, all_stages, expected, tmp_path
):
    """By kill -9, while slices are prepared."""
    out = tmp_path / "out"

    def kill(fraction, stage):
        if list(out.glob("slices/*.json")):
            scheduler.kill()

    with dask_cluster(tmp_path, 1) as (file, (scheduler, worker)):
        own = {"engine": "dask", "engine_args": (f"scheduler={file}",)}
        with pytest.raises(TryAgainError) as caught:
            prepare(texts, out, on_progress=kill, **own, **all_stages)
        worker.wait(30)  # nobody sends it anything any more
    assert caught.value.message == (
        "the Dask cluster failed: the connection to its scheduler is lost"
    )
    assert "run the same command again" in caught.value.hint
    assert not (out / "manifest.json").exists()
    assert not list(out.rglob(".*"))  # nothing half-written
    prepare(texts, out, **arguments, **all_stages)
    assert folder_bytes(out) == expected
