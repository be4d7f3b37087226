"""One table in every format that people have it in."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from electra_cli.config.finetune import TaskConfig
from electra_cli.errors import DataError
from electra_cli.finetuning.examples.example import Split, TextExample
from electra_cli.finetuning.examples.readers import read_split
from electra_cli.finetuning.examples.tables.rows import label_text, number_of
from tests.corpus.tables import COMPRESSORS

ROWS = [("good, day", 'he said "so"', 1), ("", "über\u2028 alles", 0), ("x  y", "z", 1)]
NAMES = ("a", "b", "y")


def delimited(separator: str, *, end: str = "\n", mark: bytes = b"", stated: str = "") -> bytes:
    file = io.StringIO(newline="")
    file.write(stated)
    csv.writer(file, delimiter=separator, lineterminator=end).writerows([NAMES, *ROWS])
    return mark + file.getvalue().encode()


def unquoted(end: str = "\n") -> bytes:
    return end.join("\t".join(map(str, row)) for row in [NAMES, *ROWS]).encode()


def json_lines() -> bytes:
    records = [dict(zip(NAMES, row, strict=True)) for row in ROWS]
    return b"\r\n".join(json.dumps(record).encode() for record in records)


def parquet() -> bytes:
    sink = io.BytesIO()
    columns: list[Any] = list(zip(*ROWS, strict=True))
    columns[0] = pa.array(columns[0]).dictionary_encode()
    pq.write_table(pa.table(dict(zip(NAMES, columns, strict=True))), sink)
    return sink.getvalue()


FILES = {
    "comma.csv": delimited(","),
    "semicolon.csv": delimited(";"),
    "stated.csv": delimited("|", stated="sep=|\n"),
    "windows.csv": delimited(",", end="\r\n", mark=b"\xef\xbb\xbf"),
    "old.csv": delimited(",", end="\r"),
    "plain.tsv": unquoted(),
    "windows.tsv": unquoted("\r\n"),
    "tabs.txt": unquoted(),
    "lines.jsonl": json_lines(),
    "lines.json": json_lines(),
    "table.parquet": parquet(),
}


def read(path: Path, content: bytes, labelled: bool = True, **task: Any) -> Split:
    path.write_bytes(content)
    values = {"text": "a,b", "label": "y"} | task
    return read_split(path, TaskConfig(**values), name="train", labelled=labelled)


@pytest.mark.parametrize("name", FILES)
def test_every_format_gives_the_same(name: str, tmp_path: Path) -> None:
    split = read(tmp_path / name, FILES[name])
    assert [e.texts for e in split.examples] == [r[:2] for r in ROWS]
    assert [e.label for e in split.examples] == ["1", "0", "1"]
    before = {"parquet": 0, "jsonl": 0, "json": 0}.get(name.partition(".")[2], 1)
    before += name == "stated.csv"
    unit = "row" if name.endswith("parquet") else "line"
    assert split.examples[1].where == f"{tmp_path / name}, {unit} {before + 2}"
    assert [name for name, _ in split.found] == ["format", "columns"]
    assert [part.partition(" (")[0] for part in split.found[1][1].split(", ")] == ["a", "b", "y"]
    assert split.notes == ()


@pytest.mark.parametrize("ending", COMPRESSORS)
@pytest.mark.parametrize("name", ["comma.csv", "table.parquet"])
def test_compressed(name: str, ending: str, tmp_path: Path) -> None:
    split = read(tmp_path / (name + ending), COMPRESSORS[ending](FILES[name]))
    assert [example.texts for example in split.examples] == [row[:2] for row in ROWS]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.tsv", "1\tx, y, z\n0\tu\n"),
        ("a.csv", '1,"x, y, z"\n0,u\n'),
        ("a.dat", "1\tx, y, z\n0\tu\n"),
        ("a.csv", "1;x, y, z\n0;u\n".replace(",", "")),
    ],
)
def test_columns_by_number_without_a_header(name: str, content: str, tmp_path: Path) -> None:
    split = read(tmp_path / name, content.encode(), header=False, text="#2", label="#1")
    first = split.examples[0]
    assert (first.texts[0].replace(",", ""), first.label) == ("x y z", "1")
    assert len(split.examples) == 2


def test_columns_by_number_under_a_header(tmp_path: Path) -> None:
    for name in ("comma.csv", "lines.jsonl", "table.parquet"):
        split = read(tmp_path / name, FILES[name], text="#2", label="#3")
        assert split.examples[2].texts == ("z",)


def test_white_space_around_names_does_not_count(tmp_path: Path) -> None:
    assert len(read(tmp_path / "a.csv", b"a, b ,y\nx,y,1\n").examples) == 1


def test_predictions_need_no_label(tmp_path: Path) -> None:
    split = read(tmp_path / "a.csv", b"a,b\nx,y\n", labelled=False)
    assert split.examples == (TextExample(("x", "y"), None, f"{tmp_path / 'a.csv'}, line 2"),)


@pytest.mark.parametrize(
    ("quoting", "content", "text"),
    [
        ("auto", 'a\tb\ty\n"so" he\tq\t1\n', '"so" he'),
        ("auto", '"a"\t"b"\t"y"\n"so\tso"\tq\t1\n', "so\tso"),
        ("csv", 'a\tb\ty\n"so\n""so"""\tq\t1\n', 'so\n"so"'),
        ("none", '"x\tb\ty\n"so\tq\t1\n', '"so'),
    ],
)
def test_quotes_of_tsv(quoting: str, content: str, text: str, tmp_path: Path) -> None:
    text_column = '"x,b' if quoting == "none" else "a,b"
    split = read(tmp_path / "a.tsv", content.encode(), quoting=quoting, text=text_column)
    assert split.examples[0].texts[0] == text
    assert split.notes == ()


def test_quotes_that_look_like_those_of_csv_are_noted(tmp_path: Path) -> None:
    split = read(tmp_path / "a.tsv", b'a\tb\ty\n"he ""so"""\tq\t1\n')
    assert split.notes[0].startswith('1 text in quotes with doubled quotes, such as "he ""so""":')


@pytest.mark.parametrize(
    ("cell", "label"),
    [
        (1, "1"),
        (1.0, "1"),
        ("1", "1"),
        (" 1 ", "1"),
        (1.5, "1.5"),
        (True, "true"),
        ("true", "true"),
        ("1.0", "1.0"),
    ],
)
def test_labels(cell: Any, label: str) -> None:
    assert label_text(cell) == label


def test_numbers() -> None:
    assert [number_of(cell) for cell in (1, 2.5, "3", " -4e1 ")] == [1, 2.5, 3, -40]


def test_short_rows_are_passed_over_and_counted_if_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "a.tsv"
    path.write_text("a\tb\ty\nx\ty\t1\nx\n\nx\ty\t0\tmore\n")
    task = TaskConfig(text="a,b", label="y")
    split = read_split(path, task, name="train", skips_short_rows=True)
    assert [example.label for example in split.examples] == ["1", "0"]
    assert split.notes == (
        "1 row of too few fields passed over, as line 3 has 1",
        "1 row with more fields than columns",
    )
    with pytest.raises(DataError, match="2 rows without the 3 fields of the first"):
        read_split(path, task, name="train")
