"""What tests of `electra prepare-data` share."""

from __future__ import annotations

import pytest

from tests.corpus.corpora import make_documents, write_text, write_vocabulary


@pytest.fixture
def text(tmp_path):
    return write_text(tmp_path / "text.txt", make_documents(120))


@pytest.fixture
def vocab(tmp_path):
    return write_vocabulary(tmp_path / "words.txt")


@pytest.fixture
def prepare(electra, tmp_path):
    """Runs prepare-data with --json into the folder `out`."""

    def call(*arguments):
        return electra(
            "prepare-data", *arguments, "--output", tmp_path / "out", "--workers", 1, "--json"
        )

    return call
