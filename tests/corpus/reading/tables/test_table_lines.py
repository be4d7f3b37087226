"""Rows that end where their quotes say, and those that cost one row because they do not."""

from __future__ import annotations

import csv
import gzip
import io
import random

import pytest

from electra_cli.corpus.reading.cleaning import Cleaning
from electra_cli.corpus.reading.tables.separators import Dialect
from electra_cli.corpus.reading.tables.table_lines import MOST_LINES, RowEndsError, TableLines
from electra_cli.errors import DataError
from tests.corpus.corpora import read_inputs
from tests.corpus.tables import write_tar, write_zip


def write(path, content: str):
    path.write_bytes(content.encode())
    return path


BAD_QUOTES = {
    "never closed": ['2,"one'],
    "closed within a later row": ['2,"one', '3,inside "three"', "4,four"],
    "closed within a later field": ['2,"one', '3,"three, or more"'],
    "closed within its field": ['2,"one" more'],
    "two of them": ['2,"one', "3,three", '4,"two', "5,five"],
    "in the first field": ['"2,one', "3,three"],
    "a pair in a later row": ['2,"one', '3,""', "4,four"],
    "an open one behind a pair": ['2,"""one', "3,three"],
    "only a quote": ['2,"', "3,three"],
}
LOST = {"never closed": 1, "closed within its field": 1, "two of them": 2}
READ = {"closed within a later row": ['inside "three"', "four"],
        "closed within a later field": ["three, or more"],
        "two of them": ["three", "five"], "in the first field": ["three"],
        "a pair in a later row": ["four"], "an open one behind a pair": ["three"],
        "only a quote": ["three"]}  # fmt: skip


@pytest.mark.parametrize("what", BAD_QUOTES)
@pytest.mark.parametrize("ending", ["a.csv", "a.csv.gz", "a.tar", "a.zip", "last"])
def test_a_bad_quote_costs_its_row_alone(tmp_path, what, ending):
    after = [] if ending == "last" else [f"{number},row {number}" for number in range(10)]
    content = "\n".join(["id,text", "1,first", *BAD_QUOTES[what], *after])
    content += "" if ending == "last" else "\n"
    path = tmp_path / ("a.csv" if ending == "last" else ending)
    if ending.endswith("gz"):
        path.write_bytes(gzip.compress(content.encode()))
    elif ending in ("a.tar", "a.zip"):
        (write_tar if "tar" in ending else write_zip)(path, {"b.csv": content.encode()})
    else:
        write(path, content)
    read = READ.get(what, [])
    documents, counts = read_inputs(path, on_error="skip")
    assert documents == [["first"], *([text] for text in read), *([r.split(",")[1]] for r in after)]
    assert (counts.bad_rows, counts.too_long) == (LOST.get(what, 1), 0)
    assert counts.input_bytes == len(content.encode())
    with pytest.raises(DataError, match=r"line 3: not valid CSV") as caught:
        read_inputs(path)
    assert "--quoting none" in caught.value.hint


def test_a_row_has_so_many_lines_and_no_more(tmp_path):
    """A quote that is closed behind them is not taken for an end; a text of as many is read."""
    text = "\n".join(f"{number},a line, or so" for number in range(MOST_LINES))
    path = write(tmp_path / "a.csv", f'id,text\n1,"{text}"\n2,last\n')
    documents, counts = read_inputs(path)
    assert (len(documents), counts.bad_rows) == (2, 0)
    path = write(tmp_path / "a.csv", f'id,text\n1,"{text}\n0,one more"\n2,last\n')
    documents, counts = read_inputs(path, on_error="skip")
    assert documents == [['one more"'], ["last"]]
    assert counts.bad_rows == MOST_LINES  # the first of them, and what are no rows behind it
    with pytest.raises(DataError, match=r"line 2: a quote is not closed within 131,072 lines"):
        read_inputs(path)


def test_a_row_has_so_many_bytes_and_no_more(tmp_path):
    text = "word " * 200_000
    rows = "".join(f"{number},{text}\n" for number in range(20))  # together more than 16 MiB
    path = write(tmp_path / "a.csv", f'id,text\n1,"unclosed, or not\n{rows}2,closed"\n3,last\n')
    documents, counts = read_inputs(path, on_error="skip")
    assert documents == [[text.strip()]] * 20 + [['closed"'], ["last"]]
    assert (counts.bad_rows, counts.too_long) == (1, 0)


ROWS = [
    ("id,text", '1,"first', "{},row", '2,last"', True),
    ("id;text;lang", '1;"first;en', "{};row, and more;fr", '2;last";de', True),
    ("id,text", '1,"first, and more', "{},row", '2,last"', False),  # a text of such lines
    ("id,text", '1,"first', "{},row", 'last"', False),
    ("id,text", '1,"first', '{},a ""row""', '2,last"', False),
    ("id,text", '1,"first', "a row", '2,last"', False),
    ("text", '"first', "row", 'last"', False),
]


@pytest.mark.parametrize(("header", "first", "row", "last", "are_rows"), ROWS)
@pytest.mark.parametrize("count", [9, 10, 5000])
def test_a_quote_that_takes_rows_in(tmp_path, header, first, row, last, are_rows, count):
    """It is closed as it should, so only what is within tells that it was not meant to be."""
    rows = [row.format(number) for number in range(count)]
    path = write(tmp_path / "a.csv", "\n".join([header, first, *rows, last]) + "\n")
    documents, counts = read_inputs(path, on_error="skip")
    if are_rows and count > 9:
        assert (len(documents), counts.bad_rows) == (count + 1, 1)
        with pytest.raises(DataError, match=r"line 2: a quote is closed only behind lines"):
            read_inputs(path)
    else:
        assert (len(documents), counts.bad_rows) == (1, 0)


LONG_ROWS = [
    ('a 5" disk ' + "x y " * 1200, (1, 0)),
    ('5" ,' + "x" * 5000 + ' 5"', (1, 0)),
    ('"a ""quoted"", text" more, "' + "x" * 5000, (1, 0)),
    ('"' + "x" * 5000 + '"', (1, 0)),
    ('"a text,' + "\n" + "x" * 5000 + ' of two lines"', (1, 1)),
]


@pytest.mark.parametrize(("row", "lost"), LONG_ROWS)
@pytest.mark.parametrize("name", ["a.csv", "a.tsv"])
def test_a_line_that_is_too_long_takes_none_behind_it(tmp_path, row, lost, name):
    content = f"text\n{row}\n" + "the of\n" * 100
    path = write(tmp_path / name, content.replace(",", "\t" if "tsv" in name else ","))
    cleaning = Cleaning(max_document_bytes=1024)
    documents, counts = read_inputs(path, cleaning=cleaning, on_error="skip", quoting="csv")
    assert documents == [["the of"]] * 100
    assert (counts.too_long, counts.bad_rows) == lost


def test_a_line_that_is_too_long_between_tabs(tmp_path):
    long = '"' + "x" * 5000
    path = write(tmp_path / "a.tsv", f"id\ttext\n1\tone\n2\t{long}\n3\tthree\n")
    cleaning = Cleaning(max_document_bytes=1024)
    documents, counts = read_inputs(path, cleaning=cleaning, on_error="skip")
    assert documents == [["one"], ["three"]]
    assert (counts.too_long, counts.bad_rows) == (1, 0)


def rows_of(lines, dialect):
    """The rows, "too long" for one with a fault, and "not valid" for one that is not one."""
    lines.use(dialect)
    rows = csv.reader(lines, delimiter=dialect.separator, quoting=dialect.quoting, strict=True)
    while True:
        lines.begin_row()
        number = lines.number
        try:
            row = next(rows, None)
        except (csv.Error, RowEndsError):
            lines.end_row()
            row = "not valid"
        if row is None:
            return
        yield number, "too long" if lines.is_too_long else row


def expected_rows(lines, dialect, longest, most_lines, most_held):
    """The same of lines that are all there: tries every end of every row."""
    begin = 0
    while begin < len(lines):
        row, end, held = "not valid", begin + 1, 0
        for stop in range(begin + 1, min(begin + most_lines, len(lines)) + 1):
            line = lines[stop - 1]
            if len(line) > longest + line.endswith("\r\n"):  # a line end is not parted
                row = "too long" if stop == begin + 1 else row
                break
            held += len(line)
            if stop > begin + 1 and held > max(longest, most_held):
                break
            try:
                (found,) = csv.reader(
                    lines[begin:stop],
                    delimiter=dialect.separator,
                    quoting=dialect.quoting,
                    strict=True,
                )
            except csv.Error as error:
                if "unexpected end" in str(error):
                    continue
                break
            row, end = found, stop
            break
        yield begin + 1, "too long" if sum(map(len, lines[begin:end])) > longest else row
        begin = end


DIALECTS = [Dialect(",", True), Dialect("\t", True), Dialect("x", True), Dialect("\t", False)]


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize(("most_lines", "most_held"), [(1000, 1000), (3, 1000), (1000, 20)])
def test_rows_end_where_the_csv_module_ends_them(dialect, most_lines, most_held):
    rng = random.Random(1)
    found: list = []
    for _ in range(500):
        weights = [rng.randint(1, 5) for _ in range(5)]
        text = "".join(rng.choices(f'"{dialect.separator}a \n', weights, k=rng.randint(0, 60)))
        text = (text + "\n").replace("\n", rng.choice(["\n", "\r\n"]))
        longest = rng.randint(5, 12)
        lines = TableLines(
            io.BytesIO(text.encode()), longest, most_lines=most_lines, most_held=most_held
        )
        of_text = text.splitlines(keepends=True)
        expected = list(expected_rows(of_text, dialect, longest, most_lines, most_held))
        assert list(rows_of(lines, dialect)) == expected, (text, longest)
        assert lines.bytes == len(text)
        found += [row for _, row in expected]
    assert found.count("too long") > 100
    assert (found.count("not valid") > 100) == dialect.quoted
