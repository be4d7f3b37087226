"""The stable functions, by the recipes of the guide."""

from __future__ import annotations

import pickle
import re
import sys
from types import SimpleNamespace

import pytest

from electra_cli.corpus import prepare
from electra_cli.corpus.duplicates.outcome import DuplicateOptions
from electra_cli.errors import DataError, TryAgainError
from tests.corpus.corpora import folder_bytes, make_documents, write_text, write_vocabulary
from tests.places import ROOT
from tests.prepared import prepare as prepare_at_once


@pytest.fixture
def texts(tmp_path, monkeypatch):
    (tmp_path / "texts").mkdir()
    write_text(tmp_path / "texts" / "a.txt", make_documents(60))
    write_text(tmp_path / "texts" / "b.txt", make_documents(70, seed=1) + make_documents(9))
    monkeypatch.chdir(tmp_path)
    return tmp_path / "texts"


@pytest.mark.parametrize("library", ["concurrent.futures", "ray"])
def test_a_recipe(texts, tmp_path, monkeypatch, capsys, library):
    """Ray's in this process: it stands in for the library, which calls what is pickled."""

    def remote(function):
        return SimpleNamespace(remote=lambda item: (function, pickle.dumps(item)))

    def get(calls):
        return [function(pickle.loads(item)) for function, item in reversed(calls)]

    monkeypatch.setitem(sys.modules, "ray", SimpleNamespace(remote=remote, get=get))
    guide = (ROOT / "docs" / "guide" / "engines.md").read_text("utf-8")
    recipes = re.findall(r"```python\n(.*?)```", guide, re.DOTALL)
    (recipe,) = [recipe for recipe in recipes if library in recipe]
    assert len([line for line in recipe.splitlines() if line.strip()]) <= 12
    exec(recipe, {"__name__": "__main__"})
    told = capsys.readouterr().out.split()
    prepare_at_once(texts, tmp_path / "whole")
    assert folder_bytes(tmp_path / "data") == folder_bytes(tmp_path / "whole")
    assert int(told[-1]) > 0


@pytest.mark.slow
def test_what_is_prepared_is_not_planned_again(texts, tmp_path):
    options = prepare.PrepareOptions(
        vocabulary=prepare.VocabularyOptions(size=300),
        sequence_length=32,
        slice_bytes=8000,
        duplicates=DuplicateOptions(paragraphs=True),
    )
    first = prepare.plan(["texts"], "out", options)
    assert len(first) > 4
    for task in pickle.loads(pickle.dumps(first[1:])):
        assert prepare.prepare_slice(task) == task.name
    with pytest.raises(TryAgainError, match=r"1 of .* slices is not prepared yet: 0"):
        prepare.finalize(["texts"], "out", options)
    again = prepare.plan(["texts"], "out", options)
    assert [task.name for task in again] == ["slice 0"]
    prepare.prepare_slice(again[0])
    prepare.finalize(["texts"], "out", options)
    prepare_at_once(
        texts, tmp_path / "whole", vocab_size=300, sequence_length=32, slice_bytes=8000,
        duplicates=DuplicateOptions(paragraphs=True),
    )  # fmt: skip
    assert folder_bytes(tmp_path / "out") == folder_bytes(tmp_path / "whole")


def test_what_the_command_prints_on_the_way_is_warned_of(texts, tmp_path):
    """Each once, though two stages tell it, and to whoever calls."""
    (texts / "photo.jpg").write_bytes(b"\xff\xd8\xff")
    vocab = write_vocabulary(tmp_path / "words.txt")
    given = {"vocab": vocab, "duplicates": DuplicateOptions()}
    options = prepare.PrepareOptions(**given)
    passed_over = r"^passed over in folders, for .*photo\.jpg\)"
    with pytest.warns(UserWarning, match=r"^(casing|passed over) ") as told:
        tasks = prepare.plan([texts], tmp_path / "out", options)
    casing, note = (str(warning.message) for warning in told)
    assert casing.startswith("casing from --lowercase and --strip-accents: ")
    assert re.match(passed_over, note)
    assert {warning.filename for warning in told} == {__file__}
    for task in tasks:
        prepare.prepare_slice(task)
    with pytest.warns(UserWarning, match=passed_over) as told:
        done = prepare.finalize([texts], tmp_path / "out", options)
    assert [warning.filename for warning in told] == [__file__]
    assert done.warnings == prepare_at_once(texts, tmp_path / "whole", **given).warnings != []
    (texts / "c.txt").write_bytes(b"good\n\n\xff broken\n")
    with pytest.warns(UserWarning, match=passed_over), pytest.raises(DataError, match=r"c\.txt"):
        prepare.plan([texts], tmp_path / "bad")


def test_bad_input_is_raised_where_it_is_met(texts, tmp_path):
    (texts / "c.txt").write_bytes(b"good\n\n\xff broken\n")
    with pytest.raises(DataError, match=r"c\.txt, line 3: invalid UTF-8"):
        prepare.plan([texts], tmp_path / "out")
