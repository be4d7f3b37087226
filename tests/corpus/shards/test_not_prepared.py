"""Paths that are taken for prepared data: what they are, and what to type instead."""

from __future__ import annotations

from pathlib import Path

import pytest

from electra_cli.corpus.shards.manifest import load_manifest, read_manifest
from electra_cli.errors import DataError, ElectraError, InputMissingError


@pytest.mark.parametrize(
    ("files", "path", "message", "hint"),
    [
        ([], "none", "there is no folder", "--output {root}/none`"),
        ([], "none/deeper", "there is no folder", "--output {root}/none/deeper`"),
        (["a.txt"], "a.txt", "it is a file", "`electra prepare-data {root}/a.txt --output DIR`"),
        (["a.txt"], "a.txt/b", "there is no folder", "--output {root}/a.txt/b`"),
        (["d/manifest.json"], "d/manifest.json", "a file of one", "name the folder: {root}/d"),
        (["run/config.yaml"], "run", "it is a run folder", "--model-dir {root}/run goes on"),
        (
            ["out/plan.json"],
            "out",
            "is not finished",
            "INPUT --output {root}/out` again: it goes on",
        ),
        (["out/.lock.json"], "out", "is not finished", "again: it goes on"),
        (
            ["all/data/manifest.json"],
            "all",
            "has no manifest.json",
            "did you mean {root}/all/data?",
        ),
        (["texts/a.txt"], "texts", "has no manifest.json", "`electra prepare-data {root}/texts "),
    ],
)
def test_what_it_is(tmp_path: Path, files: list[str], path: str, message: str, hint: str) -> None:
    for name in files:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("data: {path: 5}")
    with pytest.raises(ElectraError) as error:
        read_manifest(tmp_path / path)
    kind = InputMissingError if message == "there is no folder" else DataError
    assert type(error.value) is kind
    assert message in error.value.message
    assert str(tmp_path / path) in error.value.message
    assert hint.format(root=tmp_path) in error.value.hint


def test_a_run_folder_names_its_data(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("data: {path: /texts/prepared}")
    with pytest.raises(DataError) as error:
        read_manifest(tmp_path)
    assert "its data is in /texts/prepared" in error.value.hint


def test_a_damaged_manifest_is_told_in_words(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text('{"format_version": 2, "sequence_length": "long"}')
    with pytest.raises(DataError) as error:
        read_manifest(tmp_path)
    assert 'sequence_length: expected a valid integer, got the text "long"' in error.value.message


def test_the_copy_in_a_run_folder_has_no_rows(data: Path, tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(f"data: {{path: {data}}}")
    copy = tmp_path / "data"
    copy.mkdir()
    for name in ("manifest.json", "vocab.txt"):
        (copy / name).write_bytes((data / name).read_bytes())
    with pytest.raises(DataError, match="a run's copy of the manifest") as error:
        load_manifest(copy)
    assert error.value.hint == f"its data is in {data}"
