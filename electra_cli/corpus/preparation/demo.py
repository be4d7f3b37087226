"""The built-in demo corpus: English that every Python brings along, its own documentation.

The topics of `help()` and the docstrings of the standard library are read as source, with `ast`;
nothing is imported.
"""

from __future__ import annotations

import ast
import hashlib
import inspect
import json
import re
import sys
import sysconfig
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path

from electra_cli.corpus.preparation.engines.schedule import Schedule
from electra_cli.corpus.preparation.options import PrepareOptions
from electra_cli.corpus.preparation.pipeline import prepare_data
from electra_cli.corpus.shards.manifest import MANIFEST_FORMAT_VERSION
from electra_cli.corpus.wordpiece.vocabulary_training import VocabularyOptions
from electra_cli.environment import cache_folder
from electra_cli.errors import DataError, IOFailedError, OutputError
from electra_cli.files.atomic import DISK_IS_FULL, atomic_write_text, locked_folder
from electra_cli.files.layout import MANIFEST_FILE

VOCAB_SIZE = 16384
SEQUENCE_LENGTH = 128
# More than the default: half a percent of so little text would leave the metrics to chance.
VALIDATION_FRACTION = 0.03

# To be raised with every change of what the corpus holds or of how it is prepared.
_DEMO_VERSION = 3
_FEWEST_WORDS = 13
# Installed packages, and code whose docstrings are few or are test data.
_SKIPPED_FOLDERS = {
    "site-packages", "dist-packages", "__pycache__", "test", "tests", "idlelib", "idle_test",
}  # fmt: skip
_PLACE = "set XDG_CACHE_HOME to a folder you can write to, or give --data"
_TOPICS = "pydoc_data/topics.py"


def default_cache_folder() -> Path:
    """The user's cache folder for this program; it need not exist.

    Raises:
      OutputError: Neither XDG_CACHE_HOME nor HOME names one, and the system does not know the user.
    """
    folder = cache_folder()
    if folder is None:
        raise OutputError(
            "there is no place to keep the demo corpus: this user has no home folder", hint=_PLACE
        )
    return folder


def demo_folder(cache: Path) -> Path:
    """Where the prepared demo corpus of this Python is or will be."""
    key = f"{_DEMO_VERSION} {MANIFEST_FORMAT_VERSION} {sys.version} {sysconfig.get_path('stdlib')}"
    return cache / f"demo-{hashlib.sha256(key.encode()).hexdigest()[:12]}" / "prepared"


def is_demo_folder(path: Path) -> bool:
    """Whether a prepared folder is that of a demo corpus, there or not."""
    return path.name == "prepared" and path.parent.name.startswith("demo-")


def prepare_demo(cache: Path) -> Path:
    """Prepares the demo corpus, unless that has been done.

    Args:
      cache: See `default_cache_folder`.

    Returns:
      The prepared folder. Processes that come at the same time wait for the first.

    Raises:
      DataError: This Python has no readable standard library.
      OutputError: The cache folder cannot be written.
      IOFailedError: Its disk is full.
    """
    prepared = demo_folder(cache)
    try:
        if (prepared / MANIFEST_FILE).is_file():
            return prepared
        prepared.parent.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=prepared.parent).close()
    except OSError as error:
        message = f"cannot write to the cache folder {prepared.parent}: {error.strerror}"
        kind = IOFailedError if error.errno in DISK_IS_FULL else OutputError
        raise kind(message, hint=_PLACE) from error
    with locked_folder(prepared.parent, wait=True):
        if not (prepared / MANIFEST_FILE).is_file():
            corpus = prepared.parent / "corpus.jsonl"
            lines = (json.dumps({"text": text}) + "\n" for text in demo_documents())
            atomic_write_text(corpus, "".join(lines))
            prepare_data(
                inputs=[corpus],
                output=prepared,
                options=PrepareOptions(
                    vocabulary=VocabularyOptions(size=VOCAB_SIZE),
                    sequence_length=SEQUENCE_LENGTH,
                    validation_fraction=VALIDATION_FRACTION,
                ),
                schedule=Schedule(workers=1),
            )
    return prepared


def demo_documents(stdlib: Path | None = None) -> list[str]:
    """The documents of the corpus, a paragraph on each line, in a fixed order.

    Args:
      stdlib: The library to read, by default this Python's.

    Raises:
      DataError: It holds no documentation.
    """
    root = stdlib or Path(sysconfig.get_path("stdlib"))
    documents: dict[str, None] = {}  # keeps the first of equal ones
    for path in sorted(root.rglob("*.py"), key=lambda path: path.relative_to(root).as_posix()):
        name = path.relative_to(root)
        if _SKIPPED_FOLDERS.isdisjoint(name.parts):
            for text in _texts(path, is_topics=name.as_posix() == _TOPICS):
                document = _unwrap(text)
                if len(document.split()) >= _FEWEST_WORDS:
                    documents[document] = None
    if not documents:
        raise DataError(
            f"no demo corpus: {root} holds no source of Python's standard library",
            hint="prepare text of your own with `electra prepare-data INPUT --output DIR`",
        )
    return list(documents)


def _texts(path: Path, *, is_topics: bool) -> Iterator[str]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # escapes in strings that newer Pythons frown on
            tree = ast.parse(path.read_bytes())
    except (OSError, SyntaxError, ValueError):
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield ast.get_docstring(node) or ""
        elif is_topics and isinstance(node, ast.Dict):
            for value in node.values:
                if isinstance(value, ast.Constant) and isinstance(value.value, str):
                    yield inspect.cleandoc(value.value)


def _unwrap(text: str) -> str:
    """Joins the lines of each paragraph, so that a line of the document is a paragraph."""
    paragraphs = re.split(r"\n\s*\n", text)
    return "\n".join(joined for paragraph in paragraphs if (joined := " ".join(paragraph.split())))
