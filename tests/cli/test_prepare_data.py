from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from electra_cli.corpus.manifest import load_manifest
from tests.conftest import read_only
from tests.corpus.corpora import (
    make_documents,
    names_in,
    write_jsonl,
    write_text,
    write_vocabulary,
)

FIELDS = [
    "command", "output", "documents", "tokens", "examples", "validation_examples", "shards",
    "vocab_size", "unknown_rate", "padding_share", "input_bytes", "seconds",
    "megabytes_per_second", "manifest",
]  # fmt: skip


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


def test_object_and_table(prepare, tmp_path, text):
    done = prepare(text, "--vocab-size", 300, "--sequence-length", 32)
    assert done.code == 0
    assert list(done.json) == FIELDS
    manifest = load_manifest(tmp_path / "out")
    assert done.json["command"] == "prepare-data"
    assert done.json["output"] == str(tmp_path / "out")
    assert done.json["manifest"] == str(tmp_path / "out" / "manifest.json")
    assert done.json["documents"] == 120
    assert done.json["tokens"] == manifest.counts.tokens
    assert done.json["examples"] == manifest.examples
    assert done.json["validation_examples"] == manifest.validation_examples > 0
    assert done.json["shards"] == len(manifest.shards) == 2
    assert done.json["vocab_size"] == manifest.vocab.size <= 300
    assert done.json["input_bytes"] == text.stat().st_size
    assert done.json["seconds"] > 0
    for row in ("documents", "tokens a word", "unknown rate", "padding share", "MB/s"):
        assert row in done.stderr
    assert f"{manifest.counts.tokens:,}" in done.stderr
    assert "skipped" not in done.stderr


def test_the_same_command_again_prints_the_table_again(prepare, text, vocab):
    first = prepare(text, "--vocab", vocab)
    again = prepare(text, "--vocab", vocab)
    assert again.code == 0
    assert "done before" in again.stderr
    for name in set(FIELDS) - {"seconds", "megabytes_per_second"}:
        assert again.json[name] == first.json[name]


def test_options_reach_the_manifest(electra, tmp_path, vocab):
    lines = [json.dumps({"body": document}) for document in make_documents(30)]
    (tmp_path / "a.jsonl").write_text("\n".join(lines))
    done = electra(
        "prepare-data", tmp_path / "a.jsonl", "--output", tmp_path / "out", "--vocab", vocab,
        "--no-lowercase", "--no-strip-accents", "--sequence-length", 64, "--seed", 7,
        "--validation-fraction", 0.25, "--text-field", "body", "--workers", 1, "--quiet",
    )  # fmt: skip
    assert (done.code, done.stdout, done.stderr) == (0, "", "")
    manifest = load_manifest(tmp_path / "out")
    assert manifest.tokenizer.model_dump() == {"lowercase": False, "strip_accents": False}
    assert (manifest.sequence_length, manifest.seed) == (64, 7)
    assert manifest.validation_fraction == 0.25
    assert manifest.vocab.size == len(vocab.read_text().splitlines())


def test_missing_input(prepare, tmp_path):
    prepare(tmp_path / "nowhere.txt").failed(66, "input not found", "nowhere.txt")
    assert not (tmp_path / "out").exists()


def test_missing_vocabulary(prepare, tmp_path, text):
    prepare(text, "--vocab", tmp_path / "nowhere").failed(66, "vocabulary", "nowhere")


def test_empty_input(prepare, tmp_path):
    (tmp_path / "empty.txt").touch()
    prepare(tmp_path / "empty.txt").failed(65, "the input is empty", "empty.txt")
    (tmp_path / "blank.txt").write_text(" \n\n\n")
    prepare(tmp_path / "blank.txt").failed(65, "no document has a token")


def test_folder_without_text(prepare, tmp_path):
    (tmp_path / "folder").mkdir()
    prepare(tmp_path / "folder").failed(65, "no text in", ".jsonl.gz")


def test_bad_json_line(prepare, tmp_path, vocab):
    path = write_jsonl(tmp_path / "a.jsonl", make_documents(9))
    with path.open("a") as file:
        file.write('{"text": "cut o\n')
    prepare(path, "--vocab", vocab).failed(65, f"{path}, line 10: not valid JSON", "--on-error")
    done = prepare(path, "--vocab", vocab, "--on-error", "skip")
    assert (done.code, done.json["documents"]) == (0, 9)
    assert "bad JSON lines, skipped" in done.stderr


def test_json_without_the_field(prepare, tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text('{"body": "x"}\n')
    prepare(path).failed(65, "line 1: no field 'text'", "'body'", "--text-field")


def test_invalid_utf8(prepare, tmp_path, vocab):
    path = write_text(tmp_path / "a.txt", make_documents(9))
    lines = path.read_bytes().count(b"\n")
    with path.open("ab") as file:
        file.write(b"\ncaf\xe9\n\nlast document\n")
    prepare(path, "--vocab", vocab).failed(65, f"a.txt, line {lines + 2}: invalid UTF-8", "0xe9")
    done = prepare(path, "--vocab", vocab, "--on-error", "skip")
    assert (done.code, done.json["documents"]) == (0, 10)
    assert "invalid UTF-8, skipped" in done.stderr


def test_vocabulary_without_special_tokens(prepare, tmp_path, text):
    (tmp_path / "bad.txt").write_text("[PAD]\n[UNK]\nthe\n")
    prepare(text, "--vocab", tmp_path / "bad.txt").failed(
        65, "lacks [CLS], [SEP], [MASK]", "bad.txt"
    )
    assert not (tmp_path / "out").exists()


def test_output_that_holds_something_else(prepare, tmp_path, text, vocab):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.doc").write_text("precious")
    prepare(text, "--vocab", vocab).failed(73, "holds something else: thesis.doc", "--output")
    assert names_in(tmp_path / "out") == ["thesis.doc"]


def test_output_that_is_a_file(prepare, tmp_path, text, vocab):
    (tmp_path / "out").write_text("precious")
    prepare(text, "--vocab", vocab).failed(73, "is a file")
    assert (tmp_path / "out").read_text() == "precious"


def test_output_of_another_preparation(prepare, text, vocab):
    assert prepare(text, "--vocab", vocab).code == 0
    prepare(text, "--vocab", vocab, "--no-lowercase").failed(73, "--lowercase was True", "--output")


def test_read_only_output(electra, tmp_path, text, vocab):
    folder = tmp_path / "disk"
    folder.mkdir()
    with read_only(folder):
        for output in (folder, folder / "new" / "out"):
            done = electra("prepare-data", text, "--vocab", vocab, "--output", output, "--json")
            done.failed(73, "output folder", str(output), "--output")
    assert names_in(folder) == []


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--vocab", "x", "--vocab-size", 500], ["--vocab and --vocab-size exclude each other"]),
        (["--sequence-length", 4], ["--sequence-length is 4"]),
        (["--validation-fraction", 1.5], ["--validation-fraction is 1.5"]),
        (["--vocab-size", 5], ["--vocab-size is 5"]),
        (["--seed", -1], ["--seed is -1"]),
        (["--on-error", "ignore"], ["--on-error", "fail", "skip"]),
        (["--vocab-size", "many"], ["--vocab-size", "integer"]),
    ],
)
def test_usage_errors(prepare, tmp_path, text, arguments, words):
    prepare(text, *arguments).failed(2, *words)
    assert not (tmp_path / "out").exists()


def test_no_workers(electra, tmp_path, text):
    done = electra("prepare-data", text, "--output", tmp_path / "out", "--workers", 0, "--json")
    done.failed(2, "--workers is 0")


def test_inputs_and_output_are_needed(electra, tmp_path):
    electra("prepare-data", "--output", tmp_path / "out", "--json").failed(2, "INPUT")
    electra("prepare-data", tmp_path, "--json").failed(2, "--output")


def test_help_names_every_option(electra, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    done = electra("prepare-data", "--help")
    assert done.code == 0
    for option in (
        "--output", "--vocab-size", "--vocab", "--no-lowercase", "--no-strip-accents",
        "--sequence-length", "--workers", "--seed", "--validation-fraction", "--text-field",
        "--on-error", "--json", "--quiet", "--debug", "30522", "all cores",
    ):  # fmt: skip
        assert option in done.stdout


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["prepare-data", "--help"], 0),
        (["prepare-data", "nowhere.txt", "--output", "out"], 66),
        (["prepare-data", "words.txt", "--output", "out", "--vocab", "text.txt"], 65),
    ],
)
def test_tensorflow_is_never_imported(tmp_path, text, vocab, arguments, code):
    script = (
        "import sys; from electra_cli.cli.app import run; code = run(sys.argv[1:]);"
        "assert not {'tensorflow', 'tf_keras', 'official'} & set(sys.modules); sys.exit(code)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )
    assert done.returncode == code, done.stderr
