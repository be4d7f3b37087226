"""A real Spark cluster: a standalone master and two workers, which need Java 17 and a minute.

Not run by default: pytest -m spark.
"""

from __future__ import annotations

import signal
from functools import partial

import pytest

from electra_cli.corpus.preparation.engines import spark
from electra_cli.corpus.preparation.engines.cluster import ClusterEngine
from electra_cli.corpus.preparation.engines.workers import Task
from electra_cli.errors import DataError
from tests.corpus.corpora import folder_bytes, make_documents
from tests.corpus.preparation.engines import tasks
from tests.corpus.preparation.engines.clusters import spark_cluster
from tests.prepared import prepare

pytestmark = pytest.mark.spark


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    with spark_cluster(tmp_path_factory.mktemp("spark"), 2) as found:
        yield found


def arguments(cluster):
    told = (f"master={cluster[0]}", "spark.executor.memory=512m", "spark.ui.enabled=false")
    return {"engine": "spark", "engine_args": told}


def test_errors_of_the_input_are_those_of_the_local_engine(cluster, tmp_path):
    text, found = tmp_path / "bad.txt", []
    text.write_bytes("\n\n".join(make_documents(40)).encode() + b"\n\n\xff\xfe broken\n")
    for engine in ({}, arguments(cluster)):
        with pytest.raises(DataError) as caught:
            prepare(text, tmp_path / "out", vocab_size=300, slice_bytes=8000, **engine)
        found.append((caught.value.message, caught.value.hint))
        assert not list((tmp_path / "out" / "slices").iterdir())  # what was counted stays
    assert found[0] == found[1]


def test_closing_ends_what_is_at_work(cluster, tmp_path, monkeypatch):
    """And Ctrl-C is the command's, though Spark would have it."""
    monkeypatch.setattr(spark.SparkCluster, "at_once", 1)
    before = signal.getsignal(signal.SIGINT)
    work = [Task("quick", "a", partial(tasks.read_beside_another, tmp_path))]
    work += [Task("slow", "a", partial(tasks.report_for_ever, tmp_path)) for _ in range(20)]
    with spark.connected(arguments(cluster)["engine_args"], print) as found:
        assert signal.getsignal(signal.SIGINT) is before
        results = ClusterEngine(found, tmp_path).run(work, lambda done: None)
        assert next(results)[1] == "a.txt"
        results.close()
    ends = [path.suffix for path in tmp_path.iterdir()]
    assert 1 <= ends.count(".begun") == ends.count(".ended") <= 3


def test_the_same_bytes_though_a_worker_is_killed(cluster, texts, all_stages, expected, tmp_path):
    """The worker with its executor and all that this had done and not given back."""
    killed = []

    def kill(fraction, stage):
        if stage == "tokenizing and packing" and not killed:
            cluster[1][0].kill()
            killed.append(cluster[1][0].wait())

    prepare(texts, tmp_path / "out", **arguments(cluster), **all_stages, on_progress=kill)
    assert killed == [-signal.SIGKILL]
    assert folder_bytes(tmp_path / "out") == expected
