"""A text that all engines prepare, and a cluster that is started once."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from electra_cli.corpus.duplicates.outcome import DuplicateOptions
from tests.corpus.corpora import folder_bytes, make_documents, write_text
from tests.corpus.preparation.engines.clusters import dask_cluster
from tests.prepared import prepare


def nearly(document: str) -> str:
    """A document with another first word."""
    return f"text {document.partition(' ')[2]}"


@pytest.fixture(scope="session")
def texts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A text, and a compressed one that is a stream of several slices and repeats a part of it.

    It repeats documents word for word, and nearly.
    """
    folder = tmp_path_factory.mktemp("engines") / "texts"
    folder.mkdir()
    documents = make_documents(160)
    write_text(folder / "a.txt", documents[:100])
    with gzip.open(folder / "b.txt.gz", "wt", encoding="utf-8") as file:
        file.write("\n\n".join([*map(nearly, documents[85:90]), *documents[90:]]))
    return folder


@pytest.fixture(scope="session")
def all_stages() -> dict[str, Any]:
    """Options with which there is something to do in each stage."""
    return {
        "sequence_length": 32, "slice_bytes": 8000, "validation_fraction": 0.05, "vocab_size": 300,
        "duplicates": DuplicateOptions(paragraphs=True, near_duplicates=0.8),
    }  # fmt: skip


@pytest.fixture(scope="session")
def expected(texts: Path, all_stages: dict[str, Any]) -> dict[str, bytes]:
    """What the local engine makes of it."""
    counts = prepare(texts, texts.parent / "expected", **all_stages).manifest.counts
    assert (counts.duplicate_documents, counts.near_duplicates) == (10, 5)
    return folder_bytes(texts.parent / "expected")


@pytest.fixture(scope="session")
def dask_scheduler(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The file of a Dask scheduler with two workers in processes of their own."""
    with dask_cluster(tmp_path_factory.mktemp("dask"), 2) as (file, _):
        yield file


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Tests of Spark need Java and minutes: only `-m spark` runs them."""
    is_asked_for = "spark" in config.option.markexpr
    return True if collection_path.name == "test_spark.py" and not is_asked_for else None
