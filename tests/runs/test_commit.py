"""The record of a checkpoint, and that those of older versions are as good."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from electra_cli.corpus.shards.manifest import Manifest, read_manifest
from electra_cli.corpus.wordpiece.identity import TokenizerOptions
from electra_cli.files.layout import COMMIT_FILE
from electra_cli.runs.commit import Commit, StoredFile, read_commit
from tests.export.runs import write_manifest_of


@pytest.fixture
def manifest(tmp_path: Path) -> Manifest:
    write_manifest_of(tmp_path)
    return read_manifest(tmp_path)


def record(manifest: Manifest, **values: object) -> dict[str, object]:
    """As the first version wrote it, and more."""
    return {
        "format_version": 1,
        "step": 4,
        "files": {"state.index": {"bytes": 1, "sha256": "0"}},
        "state_sha256": "s",
        "config_sha256": "c",
        "vocab_sha256": manifest.vocab.sha256,
        "sizes": {"model.vocab_size": 200},
        **values,
    }


def write(folder: Path, values: dict[str, object]) -> Commit:
    checksum = hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()
    (folder / COMMIT_FILE).write_text(json.dumps(values | {"checksum": checksum}))
    return read_commit(folder)


def test_a_record_without_the_fingerprint_of_a_tokenizer(
    manifest: Manifest, tmp_path: Path
) -> None:
    commit = write(tmp_path, record(manifest))
    assert (commit.tokenizer_sha256, commit.tokenizer_fault(manifest)) == ("", None)
    other = write(tmp_path, record(manifest, vocab_sha256="other"))
    assert "vocabulary other there" in (other.tokenizer_fault(manifest) or "")


def test_the_fingerprint_is_compared(manifest: Manifest, tmp_path: Path) -> None:
    values = record(manifest, tokenizer_sha256=manifest.tokenizer_sha256)
    commit = write(tmp_path, values | {"format_version": 2})
    assert commit.tokenizer_fault(manifest) is None
    cased = TokenizerOptions(lowercase=False, strip_accents=True)
    other = Manifest.model_validate(
        manifest.model_dump() | {"tokenizer": cased.model_dump(), "tokenizer_sha256": ""}
    )
    fault = commit.tokenizer_fault(other)
    assert fault == "another casing there, case kept, accents removed here"


def test_a_new_record_is_read_back(manifest: Manifest, tmp_path: Path) -> None:
    values = record(manifest, tokenizer_sha256="t")
    del values["format_version"]
    commit = Commit.model_validate(values | {"files": {"a": StoredFile(bytes=1, sha256="0")}})
    written = commit.model_copy(update={"checksum": commit.own_checksum()})
    (tmp_path / COMMIT_FILE).write_text(written.model_dump_json())
    assert read_commit(tmp_path) == written
    assert written.format_version == 2
