"""Any of \\n, \\r\\n and \\r ends a line, also where what is read at once ends within one."""

from __future__ import annotations

import gzip
import io
import json
import random

import pytest

from electra_cli.corpus.reading.cleaning import Cleaning
from electra_cli.corpus.reading.universal_lines import LINE_ENDS, UniversalLines
from electra_cli.errors import DataError
from tests.corpus.corpora import read_inputs

NEWLINES = pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
NAMES = pytest.mark.parametrize("name", ["a.jsonl", "a.csv", "a.jsonl.gz"])

# Four times as much is what a line may have.
CLEANING = Cleaning(max_document_bytes=1024)


@pytest.mark.parametrize("size", [1, 2, 3, 7, 100])
def test_lines_are_those_of_python(size):
    rng = random.Random(size)
    for length in range(60):
        content = bytes(rng.choices(b"ab\r\n", k=length))
        reader = UniversalLines(io.BytesIO(content))
        lines, line = [], b""
        while piece := reader.readline(size):
            assert len(piece) >= size or piece.endswith(LINE_ENDS) or content.endswith(piece)
            assert len(piece) <= size + 1
            line += piece
            if line.endswith(LINE_ENDS):
                lines.append(line)
                line = b""
        assert lines + [line] * bool(line) == content.splitlines(keepends=True)


def write(path, texts: list[str], newline: str) -> int:
    """Writes a line for each text, and returns the size."""
    lines = [json.dumps({"text": text}) if "json" in path.name else f'1,"{text}"' for text in texts]
    content = newline.join(lines if "json" in path.name else ["id,text", *lines, ""]).encode()
    path.write_bytes(gzip.compress(content) if path.name.endswith(".gz") else content)
    return len(content)


@NAMES
@NEWLINES
@pytest.mark.parametrize("first", range(0, 40, 3))
def test_files_longer_than_a_line_may_be(tmp_path, name, newline, first):
    """The first line moves all others, so that every place of them is where reading ends."""
    rng = random.Random(first)
    texts = ["x" * (first + 1), *("y" * rng.randint(1, 40) for _ in range(500))]
    size = write(tmp_path / name, texts, newline)
    documents, counts = read_inputs(tmp_path / name, cleaning=CLEANING)
    assert documents == [[text] for text in texts]
    assert counts.input_bytes == size > 3 * 4096


@NAMES
@NEWLINES
@pytest.mark.parametrize("length", [4070, 4096, 5000, 80_000, 2**17])
def test_a_line_too_long_ends_where_the_next_begins(tmp_path, name, newline, length):
    texts = ["first"] * 50 + ["x" * length] + ["last"] * 2000
    size = write(tmp_path / name, texts, newline)
    documents, counts = read_inputs(tmp_path / name, cleaning=CLEANING, on_error="skip")
    is_too_long = length > 4070
    kept = [document for document in documents if document[0][0] != "x"]
    assert kept == [["first"]] * 50 + [["last"]] * 2000
    assert (len(documents) == len(kept)) == is_too_long
    assert counts.too_long == is_too_long
    assert counts.input_bytes == size
    if is_too_long:
        with pytest.raises(DataError, match=rf"{name}, line 5[12]: too long to be held"):
            read_inputs(tmp_path / name, cleaning=CLEANING)


@NEWLINES
def test_lines_within_a_field_of_a_long_table(tmp_path, newline):
    texts = [f"one {number}{newline}two" for number in range(2000)]
    write(tmp_path / "a.csv", texts, newline)
    documents, counts = read_inputs(tmp_path / "a.csv", cleaning=CLEANING)
    assert documents == [[f"one {number}", "two"] for number in range(2000)]
    assert counts.too_long == 0
