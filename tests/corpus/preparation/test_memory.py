"""Memory does not depend on the text: the promise is 300 MB and 150 MB a worker."""

from __future__ import annotations

import gzip
import subprocess
import sys
from pathlib import Path

import pytest

from tests.corpus.corpora import make_documents, write_vocabulary

_LIMIT = (300 + 150) * 2**20
_SIZE = 50 * 2**20

# Workers are children of the server, whose memory is told when it has ended.
_RUN = """
import resource
import sys
from multiprocessing.forkserver import _forkserver
from electra_cli.cli.app import run
code = run(sys.argv[1:])
_forkserver._stop()
own = next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(own, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
sys.exit(code)
"""


def peak_memory(text: Path, tmp_path: Path, *options: str, workers: int = 1) -> int:
    """Bytes that `prepare-data` has at most, every worker as much as the largest."""
    vocab = write_vocabulary(tmp_path / "words.txt")
    command = [sys.executable, "-c", _RUN, "prepare-data", str(text), "--quiet", "--allow-unknown"]
    command += [
        "--workers",
        str(workers),
        "--output",
        str(tmp_path / "out"),
        "--vocab",
        str(vocab),
        *options,
    ]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    own, largest = map(int, done.stdout.split())
    return 1024 * (own + workers * largest)


@pytest.mark.parametrize("kind", ["one line", "one word without end", "gzip"])
def test_large_inputs(tmp_path, kind):
    text = " ".join(make_documents(2000)).replace("\n", " ") + " "
    path = tmp_path / ("a.txt.gz" if kind == "gzip" else "a.txt")
    with gzip.open(path, "wt", 1) if kind == "gzip" else path.open("w") as file:
        for _ in range(_SIZE // len(text)):
            file.write("x" * len(text) if "word" in kind else text)
        file.write(" the end\n\nthe last document\n")
    assert peak_memory(path, tmp_path) < _LIMIT


@pytest.mark.parametrize("unit", ["ab\\n", "\U0001f600"])
def test_a_text_of_as_many_bytes_as_a_line_of_json_may_have(tmp_path, unit):
    path = tmp_path / "a.jsonl"
    text = unit * ((2**24 - 100) // len(unit.encode()))
    path.write_text(f'{{"text": "{text}"}}\n{{"text": "the last"}}\n')
    assert peak_memory(path, tmp_path) < _LIMIT


@pytest.mark.parametrize("unit", ["中", "ก", "'ab", "Σ.", "\u0301", "ab—", "ཀ་", "𠀀"])
def test_a_word_of_four_megabytes(tmp_path, unit):
    path = tmp_path / "a.txt"
    path.write_text(unit * (2**22 // len(unit.encode())) + "\n\nthe last\n\nof all\n")
    assert peak_memory(path, tmp_path) < _LIMIT


def test_documents_of_one_word_grow_on_disk_and_not_in_memory(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("the\n\nof\n\n" * 150_000)
    assert peak_memory(path, tmp_path) < _LIMIT
    assert sum(shard.stat().st_size for shard in (tmp_path / "out").glob("*.npy")) > 80_000_000
