from __future__ import annotations

import pytest

from electra_cli.corpus.reading.tables.separators import TableLayout
from electra_cli.errors import ConfigError, DataError
from tests.corpus.corpora import read_inputs

HEADERS = [
    ("a.csv", "id;text", ";"),
    ("a.csv", "id\ttext", "\t"),
    ("a.csv", "id|text", "|"),
    ("a.csv", "\ufeffid;text", ";"),
    ("a.csv", '\ufeff"id";"text"', ";"),
    ("a.csv", "\n\r\nid;text", ";"),
    ("a.csv", "a,b;text", ";"),  # a comma in another name
    ("a.csv", "a;b,text", ","),
    ("a.csv", "sep=;\nid;text", ";"),
    ("a.csv", "\ufeffSEP=^\r\nid^text", "^"),
    ("a.csv", 'sep=\t\n"id"\t"text"', "\t"),
    ("a.tsv", "id,text", ","),
    ("a.tsv", "id;text", ";"),
    ("a.csv", '"the\nid",text', ","),
]


@pytest.mark.parametrize(("name", "header", "separator"), HEADERS)
@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_the_header_shows_what_separates(tmp_path, name, header, separator, newline):
    content = f"{header}\n1{separator}one. two\n2{separator}three: 5\n"
    path = tmp_path / name
    path.write_bytes(content.replace("\r", "").replace("\n", newline).encode())
    documents, counts = read_inputs(path)
    assert documents == [["one. two"], ["three: 5"]]
    assert counts.input_bytes == path.stat().st_size


@pytest.mark.parametrize("name", ["a.csv", "a.tsv"])
@pytest.mark.parametrize("given", [";", "tab", "\\t", "\t", "|", ":", "x", " "])
def test_a_separator_that_is_given(tmp_path, name, given):
    character = {"tab": "\t", "\\t": "\t"}.get(given, given)
    header, rows = ["id", "body", "a,b"], [["1", "one,two", "c"], ["2", "three", ","]]
    path = tmp_path / name
    path.write_text("".join(character.join(row) + "\n" for row in [header, *rows]))
    assert read_inputs(path, text_field="body", separator=given)[0] == [["one,two"], ["three"]]


def test_a_given_separator_goes_before_a_stated_one(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("sep=;\nid,text\n1,one; two\n")
    assert read_inputs(path, separator=",")[0] == [["one; two"]]
    with pytest.raises(DataError, match=r"the columns are: 'id,text', separated by ';'$"):
        read_inputs(path)


MISSING = [
    ("id;body", {}, r"'id', 'body', separated by ';'"),
    ("id,body", {}, r"'id', 'body', separated by ','"),
    ("a,b;c;d", {}, r"'a,b', 'c', 'd', separated by ';'"),
    ("body", {}, r"'body', separated by ','"),
    ("id;text", {"separator": "|"}, r"'id;text', separated by '\|'"),
    ("text;a|text", {}, r"'text;a\|text', separated by ','"),  # as good with either
]


@pytest.mark.parametrize(("header", "layout", "shown"), MISSING)
def test_a_missing_column_names_the_separator(tmp_path, header, layout, shown):
    path = tmp_path / "a.csv"
    path.write_text(f"{header}\n1;one\n")
    with pytest.raises(DataError, match=rf"no column 'text'; the columns are: {shown}$") as caught:
        read_inputs(path, **layout)
    assert "--separator" in caught.value.hint


@pytest.mark.parametrize("separator", ["", "ab", '"', "\n", "§"])
def test_separators_that_cannot_be(separator):
    with pytest.raises(ConfigError, match=r"--separator is .*one ASCII character") as caught:
        TableLayout(separator)
    assert "--separator ';'" in caught.value.hint


@pytest.mark.parametrize("text", ['"an unclosed one', 'one" two', '"', '""', '"one" two', '"one"'])
def test_quotes_between_tabs_are_characters(tmp_path, text):
    path = tmp_path / "a.tsv"
    rows = [f"{number}\t{text}" for number in range(6)]
    path.write_text("\n".join(["id\ttext", *rows]) + "\n")
    documents, counts = read_inputs(path)
    assert (documents, counts.bad_rows) == ([[text]] * 6, 0)


QUOTED = [
    ('"id"\t"text"\n1\t"one\ntwo"\n', {}, [["one", "two"]]),  # as R writes it
    ('id\t"text"\n1\t"o\t""n""e"\n', {}, [['o\t"n"e']]),
    ('id\ttext\n1\t"one\ntwo"\n', {"quoting": "csv"}, [["one", "two"]]),
    ('"id"\t"text"\n1\t"one"\n', {"quoting": "none", "field": '"text"'}, [['"one"']]),
    ('id,text\n1,"one\n2,two"\n', {"quoting": "none"}, [['"one'], ['two"']]),
    ('id;text\n1;"one;\ntwo"\n', {}, [["one;", "two"]]),
]


@pytest.mark.parametrize(("content", "options", "expected"), QUOTED)
def test_what_is_quoted(tmp_path, content, options, expected):
    layout = dict(options)
    field = layout.pop("field", "text")
    path = tmp_path / "a.csv"
    path.write_text(content)
    assert read_inputs(path, text_field=field, **layout)[0] == expected


@pytest.mark.parametrize(("row", "hint"), [("2\ta\tb", "--quoting csv"), ("2", "--on-error skip")])
def test_a_bad_row_between_tabs(tmp_path, row, hint):
    path = tmp_path / "a.tsv"
    path.write_text(f"id\ttext\n1\tone\n{row}\n3\tthree\n")
    with pytest.raises(DataError, match=r"line 3: a row of \d fields? under 2 columns") as caught:
        read_inputs(path)
    assert hint in caught.value.hint
    documents, counts = read_inputs(path, on_error="skip")
    assert (documents, counts.bad_rows) == ([["one"], ["three"]], 1)
