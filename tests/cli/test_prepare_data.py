from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from electra_cli.corpus.shards.counts import Counts
from electra_cli.corpus.shards.manifest import load_manifest
from tests.conftest import read_only
from tests.corpus.corpora import (
    folder_bytes,
    make_documents,
    names_in,
    write_jsonl,
    write_text,
)
from tests.corpus.tables import write_tar
from tests.places import ROOT

FIELDS = [
    "command", "output", "examples", "validation_examples", "shards", "vocab_size", "vocab_kind",
    "lowercase", "strip_accents", "unknown_rate", "padding_share", "baselines", "warnings",
    *vars(Counts()), "seconds", "megabytes_per_second", "manifest",
]  # fmt: skip


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
    assert manifest.baselines is not None
    assert done.json["baselines"] == manifest.baselines.model_dump()
    assert manifest.baselines.unigram_entropy is None  # so few tokens are held out
    assert "loss of a uniform guess" in done.stderr
    assert "guessing by frequency" not in done.stderr
    assert f"{manifest.counts.tokens:,}" in done.stderr
    assert "skipped" not in done.stderr


def test_the_same_command_again_prints_the_table_again(prepare, tmp_path, text, vocab):
    first = prepare(text, "--vocab", vocab)
    again = prepare(text, "--vocab", vocab)
    assert again.code == 0
    assert "done before" in again.stderr
    for name in set(FIELDS) - {"seconds", "megabytes_per_second"}:
        assert again.json[name] == first.json[name]
    path = tmp_path / "out" / "manifest.json"
    content = json.loads(path.read_text())
    path.write_text(json.dumps({k: v for k, v in content.items() if k != "baselines"}))
    of_older_electra = prepare(text, "--vocab", vocab)
    assert of_older_electra.json["baselines"] is None
    assert "guessing by frequency" not in of_older_electra.stderr


def test_options_reach_the_manifest(electra, tmp_path, vocab):
    lines = [json.dumps({"body": document}) for document in make_documents(30)]
    (tmp_path / "a.jsonl").write_text("\n".join(lines))
    done = electra(
        "prepare-data", tmp_path / "a.jsonl", "--output", tmp_path / "out", "--vocab", vocab,
        "--no-lowercase", "--no-strip-accents", "--sequence-length", 64, "--seed", 7,
        "--validation-fraction", 0.25, "--text-field", "body", "--workers", 1, "--quiet",
    )  # fmt: skip
    assert (done.code, done.stdout) == (0, "")
    assert done.stderr.count("\n") == 1  # a warning, which --quiet does not hide
    assert "warning: only 18 of 58 rows are held out" in done.stderr
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
    prepare(tmp_path / "folder").failed(65, "no text in", ".jsonl", "--format")


def test_patterns_are_expanded(prepare, tmp_path, vocab):
    for number in range(3):
        write_text(tmp_path / f"part-{number}", make_documents(10, seed=number))
    done = prepare(tmp_path / "part-[01]", "--vocab", vocab)
    assert (done.code, done.json["documents"]) == (0, 20)
    prepare(tmp_path / "nothing*.txt").failed(66, "no file fits the pattern", "nothing*.txt")


def test_format_and_column(prepare, tmp_path, vocab):
    path = tmp_path / "a.data"
    lines = [f'"{text}",{n}' for n, text in enumerate(make_documents(10))]
    path.write_text("\n".join(["body,id", *lines, "one field"]))
    common = (path, "--vocab", vocab, "--format", "csv")
    prepare(*common).failed(65, "no column 'text'", "'body', 'id'", "--text-field")
    common = (*common, "--text-field", "body")
    prepare(*common).failed(65, "a row of 1 field under 2 columns", "--on-error skip")
    done = prepare(*common, "--on-error", "skip")
    assert (done.code, done.json["documents"]) == (0, 10)
    assert "bad rows, skipped" in done.stderr
    prepare(*common, "--on-error", "skip", "--format", "txt").failed(73, "--format was csv")


def test_archive_with_a_bad_member(prepare, tmp_path):
    path = write_tar(tmp_path / "a.tar.gz", {"../x.jsonl": b"{broken"}, "w:gz")
    prepare(path).failed(65, f"{path}!../x.jsonl, line 1: not valid JSON", "--on-error")


def test_binary_file(prepare, tmp_path):
    (tmp_path / "a.txt").write_bytes(b"\x7fELF" + bytes(100))
    prepare(tmp_path / "a.txt").failed(65, "a.txt: it is binary", "convert it")


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
    prepare(text, "--vocab", vocab, "--no-lowercase").failed(
        73, "--lowercase was on and is now off", "--output"
    )


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
        (["--format", "docx"], ["--format", "parquet"]),
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
        "--on-error", "--format", "--json", "--quiet", "--debug", "30522", "all cores",
    ):  # fmt: skip
        assert option in done.stdout


def test_help_shows_words_in_brackets(electra):
    shown = " ".join(electra("prepare-data", "--help").stdout.split())
    for words in (
        "Slots [unused0], [unused1], … to keep", ".[near-duplicates]",
        ".[dask]", "[CLS] and [SEP] included",
    ):  # fmt: skip
        assert words in shown


def test_tensorflow_is_never_imported(tmp_path, text, vocab):
    commands = [
        (["--help"], 0),
        (["nowhere.txt", "--output", "out"], 66),
        ([text.name, "--output", "out", "--vocab", text.name], 65),
        ([text.name, "--output", "out", "--vocab", vocab.name, "--workers", "1"], 0),
    ]
    script = (
        "import sys; from electra_cli.cli.app import run\n"
        f"for arguments, code in {commands!r}:\n"
        "    assert run(['prepare-data', *arguments]) == code, arguments\n"
        "    assert not {'tensorflow', 'tf_keras', 'official'} & set(sys.modules), arguments\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 0, done.stderr


def test_cleaning_duplicates_and_vocabulary_options_reach_the_folder(electra, tmp_path):
    documents = make_documents(60)
    repeated = [documents[0], documents[1] + "\nand one more line", "tiny"]
    text = write_text(tmp_path / "a.txt", [*documents, *repeated])
    done = electra(
        "prepare-data", text, "--output", tmp_path / "out", "--workers", 1, "--json",
        "--min-length", 20, "--nfc", "--deduplicate", "paragraphs", "--near-duplicates", 0.8,
        "--vocab-size", 300, "--vocab-unused", 7, "--vocab-multiple-of", 64, "--vocab-sample", 0.9,
        "--vocab-alphabet", 30, "--packing", "full", "--sequence-length", 32,
    )  # fmt: skip
    assert done.code == 0, done.stderr
    assert done.json["duplicate_documents"] == 1
    assert done.json["near_duplicates"] == 1
    assert done.json["short_documents"] == 1
    assert done.json["documents"] == 60
    for row in ("near duplicates, left out", "duplicate documents", "short documents"):
        assert row in done.stderr
    manifest = load_manifest(tmp_path / "out")
    assert manifest.packing == "full"
    assert manifest.vocab.size % 64 == 0
    tokens = manifest.vocab_path.read_text(encoding="utf-8").split("\n")
    assert tokens[5:12] == [f"[unused{number}]" for number in range(7)]
    assert done.json["padding_share"] < 0.02


def test_a_cluster_in_stages(electra, text, tmp_path):
    out = tmp_path / "out"
    command = ["prepare-data", text, "--output", out, "--vocab-size", 300, "--workers", 1]
    scanned = electra(*command, "--stage", "scan", "--json")
    assert "--stage scan has nothing to do; go on with --stage vocabulary" in scanned.stderr
    for stage, following in (("vocabulary", "prepare"), ("prepare", "finalize")):
        for index in range(2):
            task = ["--stage", stage, "--task-index", index, "--num-tasks", 2]
            done = electra(*command, *task, "--json")
            assert done.json["stage"] == stage
            assert f"{stage}, task {index} of 2: " in done.stderr
            assert f"run the same command with --stage {following}" in done.stderr
    ended = electra(*command, "--stage", "finalize", "--num-tasks", 2, "--json")
    assert ended.json["documents"] == 120
    electra(*command[:3], tmp_path / "whole", *command[4:])
    assert folder_bytes(out) == folder_bytes(tmp_path / "whole")


def test_a_stage_whose_half_is_done_says_so(electra, text, vocab, tmp_path):
    """The duplicates are found in the stage that counts words, also if there are none to count."""
    command = ["prepare-data", text, "--output", tmp_path / "out", "--vocab", vocab,
               "--deduplicate", "documents", "--workers", 1]  # fmt: skip
    electra(*command, "--stage", "scan")
    done = electra(*command, "--stage", "vocabulary")
    assert "has compared what --stage scan found" in done.stdout
    assert done.stdout.strip().endswith("no words to count; go on with --stage prepare")
    assert (tmp_path / "out" / "duplicates" / "duplicates.json").is_file()


def test_the_casing_of_a_tokenizer_folder_is_taken_over(electra, text, vocab, tmp_path):
    folder = tmp_path / "tokenizer"
    folder.mkdir()
    (folder / "vocab.txt").write_bytes(vocab.read_bytes())
    (folder / "tokenizer_config.json").write_text('{"do_lower_case": false}')
    for name, options, expected in (
        ("a", [], (False, False)),
        ("b", ["--lowercase"], (True, False)),
    ):
        electra("prepare-data", text, "--output", tmp_path / name, "--vocab", folder, *options)
        tokenizer = load_manifest(tmp_path / name).tokenizer
        assert (tokenizer.lowercase, tokenizer.strip_accents) == expected


@pytest.mark.parametrize(("options", "words"), [
    (["--task-index", 0], ["are for one stage at a time", "add --stage prepare"]),
    (["--stage", "scan", "--task-index", 0], ["--task-index and --num-tasks belong together"]),
    (["--stage", "scan", "--num-tasks", 2], ["--task-index and --num-tasks belong together"]),
    (["--stage", "finalize", "--task-index", 0], ["leave --task-index out"]),
    (["--stage", "scan", "--task-index", 3, "--num-tasks", 3], ["--task-index is 3 of --num-tas"]),
    (["--plan-only"], ["No such option: --plan-only", "--stage vocabulary"]),
    (["--finalize"], ["No such option: --finalize", "type --stage finalize"]),
    (["--beam-arg=--x"], ["No such option: --beam-arg", "--engine-arg KEY=VALUE"]),
    (["--engine-arg", "x=1"], ["--engine-arg x=1 needs an engine"]),
    (["--engine", "dask"], ["--workers 1 is of --engine local", "dask worker --nthreads 1"]),
    (["--min-length", -1], ["--min-length is -1"]),
    (["--near-duplicates", 2], ["near duplicates is 2.0"]),
    (["--vocab-sample", 0], ["--vocab-sample is 0.0"]),
])  # fmt: skip
def test_options_that_cannot_be(prepare, text, tmp_path, options, words):
    prepare(text, *options).failed(2, *words)
    assert not (tmp_path / "out").exists()


def test_what_separates_rows_and_documents(prepare, tmp_path):
    """Three rows, one of them with a quote, and a file of two paragraphs."""
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "a.csv").write_text('id^text\n1^"one\n2^two, or so\n3^three\n')
    (tmp_path / "texts" / "b.txt").write_text("a paragraph\n\nand another\n")
    options = ("--separator", "^", "--quoting", "none", "--documents", "file")
    done = prepare(tmp_path / "texts", "--vocab-size", 300, *options)
    assert (done.json["documents"], done.json["bad_rows"]) == (4, 0)
    prepare(tmp_path / "texts", "--vocab-size", 300).failed(
        73, "--separator was '^'", "--quoting was none", "--documents was file"
    )
