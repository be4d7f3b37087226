from __future__ import annotations

import hashlib
import inspect
from types import SimpleNamespace

from electra_cli.cli.commands import prepare_data
from electra_cli.corpus.duplicates.outcome import DuplicateOptions
from electra_cli.corpus.preparation.options import PrepareOptions
from electra_cli.corpus.preparation.plan_changes import (
    changed_inputs,
    changed_options,
    replaced_inputs,
)
from electra_cli.corpus.reading.tables.separators import TableLayout
from electra_cli.corpus.wordpiece.vocabulary import SpecialIds
from electra_cli.corpus.wordpiece.vocabulary_training import VocabularyOptions

VOCAB = SimpleNamespace(content=b"[PAD]\n")


def record(vocab=None, **options):
    return PrepareOptions(**options).record(vocab)


def test_what_is_nested_in_the_plan_has_the_names_of_the_command_line():
    vocabulary = VocabularyOptions(size=8000, sample=0.5, alphabet_limit=100, lowercase=False)
    new = record(
        vocabulary=vocabulary, lowercase=False, duplicates=DuplicateOptions(paragraphs=True)
    )
    assert changed_options(record(), new) == [
        "--deduplicate was none and is now paragraphs",
        "--lowercase was on and is now off",
        "--vocab-alphabet was not given and is now 100",
        "--vocab-sample was 1.0 and is now 0.5",
        "--vocab-size was 30522 and is now 8000",
    ]
    assert changed_options(new, new) == []


def test_a_vocabulary_instead_of_training_one():
    changed = changed_options(record(), record(VOCAB))
    sha256 = hashlib.sha256(VOCAB.content).hexdigest()
    assert f"--vocab was not given and is now a vocabulary with SHA-256 {sha256[:12]}…" in changed
    assert "--vocab-size was 30522 and is now not given" in changed


def test_the_roles_of_another_tokenizer():
    special = SpecialIds(pad=1, unk=3, cls=0, sep=2, mask=4)
    bpe = SimpleNamespace(content=b"{}", special=special, tokens=("a",) * 2000)
    own = {"lowercase": None, "strip_accents": None}
    (changed,) = changed_options(
        record(bpe, **own) | {"special": {"pad": 0, "mask": 4}}, record(bpe, **own)
    )
    assert "special ones pad 0, mask 4 and is now" in changed
    assert changed.endswith("2,000 tokens, special ones pad 1, unk 3, cls 0, sep 2, mask 4")
    kinds = changed_options(record(), record(vocabulary=VocabularyOptions(kind="bpe")))
    assert kinds == ["--vocab-kind was wordpiece and is now bpe"]


def test_newer_options_are_in_the_plan_only_where_they_change_something():
    new = record(layout=TableLayout("tab", "csv"), documents="file")
    assert set(new) - set(record()) == {"separator", "quoting", "documents"}
    assert changed_options(record(), new) == [
        "--documents was not given and is now file",
        "--quoting was not given and is now csv",
        r"--separator was not given and is now '\t'",
    ]
    assert record(layout=TableLayout("\t", "csv"), documents="file") == new


def test_every_name_is_an_option_of_the_command():
    options = inspect.signature(prepare_data.command).parameters
    old = dict.fromkeys(record(), "old") | {"vocabulary": None, "duplicates": None}
    new = record(
        VOCAB,
        duplicates=DuplicateOptions(near_duplicates=0.8),
        layout=TableLayout(";", "none"),
        documents="file",
    )
    new |= {"vocabulary": record()["vocabulary"]}
    names = [line.split()[0] for line in changed_options(old, new)]
    assert {name.removeprefix("--").replace("-", "_") for name in names} <= set(options)
    assert len(names) > 15


def plan(*files):
    return {"inputs": [dict(zip(("name", "bytes", "fingerprint"), f, strict=True)) for f in files]}


def test_inputs_that_came_went_and_grew():
    old = plan(("a.txt", 1000, "x"), ("b.txt", 2, "y"), ("-", None, ""))
    new = plan(("a.txt", 3000, "z"), ("c.txt", 2, "y"), ("-", None, ""))
    assert changed_inputs(old, new) == [
        "a.txt had 1,000 bytes and has now 3,000 bytes",
        "b.txt is no longer among them",
        "c.txt is new",
    ]


def test_replaced_inputs_of_one_name_are_told_apart():
    old = plan(("a.txt", 5, "x"), ("a.txt", 5, "y"), ("b.txt", 5, "z"))
    assert replaced_inputs(old, old) == []
    assert replaced_inputs(old, plan(("a.txt", 5, "x"), ("a.txt", 5, "y"), ("b.txt", 5, "w"))) == [
        "b.txt"
    ]
