from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

from electra_cli.corpus.preparation import demo
from electra_cli.corpus.preparation.demo import (
    default_cache_folder,
    demo_documents,
    demo_folder,
    is_demo_folder,
    prepare_demo,
)
from electra_cli.corpus.shards.manifest import load_manifest
from electra_cli.errors import DataError, OutputError
from tests.conftest import read_only
from tests.places import ROOT


@pytest.fixture(scope="module")
def documents():
    return demo_documents()


def test_size_of_the_corpus(documents):
    # The libraries of the supported Pythons differ by some modules.
    assert 3500 <= len(documents) <= 5500
    assert 1.5e6 <= sum(map(len, documents)) <= 2.6e6
    assert len(set(documents)) == len(documents)
    assert min(len(document.split()) for document in documents) == 13


def test_it_is_english_prose_in_paragraphs(documents):
    words = " ".join(documents).lower().split()
    assert words.count("the") / len(words) > 0.04
    assert any("\n" in document for document in documents)
    assert not any("\n\n" in document or "\t" in document for document in documents)
    topic = next(text for text in documents if text.startswith('The "if" statement'))
    assert any(len(line) > 200 for line in topic.split("\n"))


def library(tmp_path: Path) -> Path:
    root = tmp_path / "lib"
    long = "A sentence\nof several words that goes on {} until it is no longer a short one."
    files = {
        "b.py": f'"""{long.format("and on")}\n\n    Second\n    paragraph.\n"""\nimport gone\n',
        "a/c.py": f'class A:\n    async def f(self):\n        """{long.format("so")}"""\n',
        "a/broken.py": "def (",
        "copy.py": f'"""{long.format("so")}"""\n',
        "short.py": '"""Too short."""\n',
        "test/t.py": f'"""{long.format("in a test")}"""\n',
        "site-packages/s.py": f'"""{long.format("installed")}"""\n',
        "pydoc_data/topics.py": f'topics = {{"x": {long.format("there")!r}, "y": r"\\d"}}\n',
        "plain.py": f'table = {{"x": {long.format("no docstring")!r}}}\n',
    }
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(content)
    return root


def test_what_is_read_and_how(tmp_path):
    text = "A sentence of several words that goes on {} until it is no longer a short one."
    assert demo_documents(library(tmp_path)) == [
        text.format("so"),
        text.format("and on") + "\nSecond paragraph.",
        text.format("there"),
    ]


def test_no_library(tmp_path):
    with pytest.raises(DataError, match="no demo corpus") as caught:
        demo_documents(tmp_path)
    assert "electra prepare-data" in caught.value.hint


def test_it_is_prepared_once_and_after_a_kill(tmp_path, monkeypatch):
    monkeypatch.setattr(
        demo, "demo_documents", lambda: [f"{n} " + "some words of a test " * 9 for n in range(400)]
    )
    folder = prepare_demo(tmp_path / "cache")
    assert folder == demo_folder(tmp_path / "cache")
    manifest = load_manifest(folder)
    assert (manifest.sequence_length, manifest.counts.documents) == (128, 400)
    (folder / "manifest.json").unlink()
    (folder / "slices" / "00000.json").unlink()
    assert load_manifest(prepare_demo(tmp_path / "cache")) == manifest
    monkeypatch.setattr(demo, "prepare_data", None)
    assert prepare_demo(tmp_path / "cache") == folder
    # Who finds another hash here has changed what every cached demo holds: it is a new version.
    content = hashlib.sha256((folder / "manifest.json").read_bytes()).hexdigest()
    assert (demo._DEMO_VERSION, content[:12]) == (3, "a57f52bcfbe1")


def test_an_older_demo_stays_for_the_runs_on_it(tmp_path, monkeypatch):
    monkeypatch.setattr(demo, "demo_documents", lambda: [f"{n} words " * 9 for n in range(400)])
    with monkeypatch.context() as older:
        older.setattr(demo, "_DEMO_VERSION", demo._DEMO_VERSION - 1)
        before = prepare_demo(tmp_path)
    files = {path: path.read_bytes() for path in before.rglob("*") if path.is_file()}
    assert prepare_demo(tmp_path) != before
    assert {path: path.read_bytes() for path in before.rglob("*") if path.is_file()} == files
    assert is_demo_folder(before)


def test_another_python_has_its_own(tmp_path, monkeypatch):
    here = demo_folder(tmp_path)
    monkeypatch.setattr(sys, "version", "3.99")
    assert demo_folder(tmp_path) != here


def test_cache_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert default_cache_folder() == tmp_path / "electra"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")  # to be ignored, says the specification
    monkeypatch.setenv("HOME", str(tmp_path))
    assert default_cache_folder() == tmp_path / ".cache" / "electra"


@pytest.mark.parametrize("home", [None, "", "/"])
def test_a_user_without_a_home(monkeypatch, home):
    """As in a container that is started with a number: no HOME, and not in /etc/passwd."""
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.delenv("HOME")
    monkeypatch.setattr("pwd.getpwuid", lambda number: {}[number])
    if home is not None:
        monkeypatch.setenv("HOME", home)
        assert default_cache_folder() == Path("/.cache/electra")
        return
    with pytest.raises(OutputError, match="this user has no home folder") as caught:
        default_cache_folder()
    assert "set XDG_CACHE_HOME" in caught.value.hint
    assert "--data" in caught.value.hint


@pytest.mark.parametrize("what", ["is a file", "cannot be written", "holds what cannot be written"])
def test_a_cache_folder_that_is_no_use(tmp_path, what):
    cache = tmp_path / "cache"
    with ExitStack() as stack:
        if what == "is a file":
            cache.touch()
        elif what == "cannot be written":
            cache.mkdir()
            stack.enter_context(read_only(cache))
        else:
            own = demo_folder(cache).parent
            own.mkdir(parents=True)
            stack.enter_context(read_only(own))
        with pytest.raises(OutputError, match="cannot write to the cache folder") as caught:
            prepare_demo(cache)
    assert "XDG_CACHE_HOME" in caught.value.hint


def test_nothing_is_imported():
    script = (
        "import sys; from electra_cli.corpus.preparation.demo import demo_documents;"
        "demo_documents();"
        "print(*sorted({'antigravity', 'this', 'tkinter', 'tensorflow'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert done.stdout.strip() == ""
