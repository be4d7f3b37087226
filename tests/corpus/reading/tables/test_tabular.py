from __future__ import annotations

import gzip
import io
import struct
from itertools import pairwise

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from electra_cli.corpus.preparation.plan import make_plan
from electra_cli.corpus.reading.cleaning import Cleaning
from electra_cli.corpus.reading.discovery import find_inputs
from electra_cli.errors import DataError
from tests.corpus.corpora import make_documents, read_inputs, read_so_far
from tests.corpus.tables import WRITERS, arrow_file, arrow_stream, parquet, table

BINARY_TABLES = {"parquet": parquet, "file": arrow_file, "stream": arrow_stream}
TABLES = pytest.mark.parametrize("kind", BINARY_TABLES)


def write(path, content: bytes):
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("newline", [b"\n", b"\r\n", b"\r"])
def test_csv(tmp_path, newline):
    content = b'\xef\xbb\xbftext,id\n"one, ""two""\n\nthree",1\n\n,2\nfour \xc3\xa9,3'.replace(
        b"\n", newline
    )
    documents, counts = read_inputs(write(tmp_path / "a.csv", content))
    assert documents == [['one, "two"', "three"], ["four é"]]
    assert counts.input_bytes == len(content)


def test_a_csv_field_of_any_length(tmp_path):
    text = "word " * 100_000
    path = write(tmp_path / "a.csv", f"id,text\n1,{text}\n".encode())
    assert read_inputs(path)[0] == [[text.strip()]]


BAD_ROWS = [
    (b"2", "a row of 1 field under 2 columns"),
    (b"2,half, of it", "a row of 3 fields under 2 columns"),
    (b'2,"one" more', "not valid CSV"),
]


@pytest.mark.parametrize(("bad", "message"), BAD_ROWS)
def test_bad_csv_row(tmp_path, bad, message):
    path = write(tmp_path / "a.csv", b"id,text\n1,one\n" + bad + b"\n3,three\n")
    with pytest.raises(DataError, match=rf"a\.csv, line 3: {message}") as caught:
        read_inputs(path)
    assert "--on-error skip" in caught.value.hint
    documents, counts = read_inputs(path, on_error="skip")
    assert documents == [["one"], ["three"]]
    assert counts.bad_rows == 1


def test_an_unclosed_quote_does_not_swallow_the_rest_unseen(tmp_path):
    path = write(tmp_path / "a.csv", b'id,text\n1,one\n2,"two\n3,three\n')
    with pytest.raises(DataError, match=r"not valid CSV \(unexpected end of data"):
        read_inputs(path)
    assert read_inputs(path, on_error="skip")[1].bad_rows == 1


def test_invalid_utf8_in_csv(tmp_path):
    path = write(tmp_path / "a.tsv", b"id\ttext\nb\xffd\tone\n2\tx\xe9\n3\tthree\n")
    with pytest.raises(DataError, match=r"a\.tsv, line 3: invalid UTF-8 \(byte 0xe9"):
        read_inputs(path)
    documents, counts = read_inputs(path, on_error="skip")
    assert documents == [["one"], ["three"]]  # other columns may hold what they like
    assert (counts.invalid_utf8, counts.bad_rows) == (1, 0)


@pytest.mark.parametrize("name", [name for name in WRITERS if name not in ("a.txt", "a.jsonl")])
@pytest.mark.parametrize("on_error", ["fail", "skip"])
def test_missing_column(tmp_path, name, on_error):
    path = write(tmp_path / name, WRITERS[name](["one", "two"]))
    message = rf"{name}: no column 'body'; the columns are: 'id', 'text'"
    with pytest.raises(DataError, match=message) as caught:
        read_inputs(path, text_field="body", on_error=on_error)
    assert "--text-field" in caught.value.hint
    assert caught.value.exit_code == 65


def test_of_many_columns_the_first_are_named(tmp_path):
    path = write(tmp_path / "a.csv", ",".join(f"c{number}" for number in range(2010)).encode())
    with pytest.raises(
        DataError, match=r"the columns are: 'c0', .*, 'c9' and 2,000 more, separated"
    ):
        read_inputs(path)


@TABLES
def test_column_of_another_type(tmp_path, kind):
    path = write(tmp_path / "a", BINARY_TABLES[kind](["one"]))
    with pytest.raises(DataError, match=r"a: column 'id' holds int64 where text is needed"):
        read_inputs(path, text_field="id")


def test_nested_column(tmp_path):
    nested = pa.table({"a": [{"text": "inner"}], "b": [["x"]], "text": ["outer"]})
    pq.write_table(nested, tmp_path / "a.parquet")
    assert read_inputs(tmp_path / "a.parquet")[0] == [["outer"]]
    with pytest.raises(DataError, match=r"column 'a' holds struct<text: string>"):
        read_inputs(tmp_path / "a.parquet", text_field="a")


@pytest.mark.parametrize(
    "text_type", [pa.large_string(), pa.string_view(), pa.dictionary(pa.int32(), pa.string())]
)
def test_every_type_of_text(tmp_path, text_type):
    content = table(["one\ntwo", "three", "three"], text_type)
    pq.write_table(content, tmp_path / "a.parquet")
    with pa.ipc.new_file(tmp_path / "a.arrow", content.schema) as writer:
        writer.write_table(content)
    for name in ("a.parquet", "a.arrow"):
        assert read_inputs(tmp_path / name)[0] == [["one", "two"], ["three"], ["three"]]


@TABLES
def test_null_and_empty_texts(tmp_path, kind):
    path = write(tmp_path / "a", BINARY_TABLES[kind](["one", "", None, "two"]))
    with pytest.raises(DataError, match="a, row 3: column 'text' holds null") as caught:
        read_inputs(path)
    assert "--on-error skip" in caught.value.hint
    documents, counts = read_inputs(path, on_error="skip")
    assert documents == [["one"], ["two"]]
    assert (counts.bad_rows, counts.input_bytes) == (1, 6)


def test_row_numbers_go_on_over_row_groups_and_slices(tmp_path):
    documents = make_documents(30)
    path = write(tmp_path / "a.parquet", parquet([*documents, None], rows=4))
    with pytest.raises(DataError, match=r"a\.parquet, row 31: "):
        read_inputs(path, slice_bytes=1000)


def test_invalid_utf8_in_a_table(tmp_path):
    raw = pa.array([b"one", b"x\xe9", b"two"], pa.binary())
    content = pa.table({"text": pa.Array.from_buffers(pa.string(), 3, raw.buffers())})
    pq.write_table(content, tmp_path / "a.parquet")
    with pytest.raises(DataError, match=r"row 2: invalid UTF-8 \(byte 0xe9"):
        read_inputs(tmp_path / "a.parquet")
    documents, counts = read_inputs(tmp_path / "a.parquet", on_error="skip")
    assert documents == [["one"], ["two"]]
    assert counts.invalid_utf8 == 1


@TABLES
def test_cut_off_and_damaged_tables(tmp_path, kind):
    whole = BINARY_TABLES[kind](make_documents(500))
    path = tmp_path / "a"
    for content in (
        whole[: len(whole) // 2],
        whole[:9],
        whole[:50] + b"\x99" * (len(whole) // 3) + whole[50 + len(whole) // 3 :],
    ):
        path.write_bytes(content)
        with pytest.raises(DataError, match=r"a: damaged or truncated (Parquet|Arrow)"):
            read_inputs(path)
        write(tmp_path / "b", whole)
        documents, counts = read_inputs(path, tmp_path / "b", on_error="skip")
        read = len(documents) - 500
        assert 0 <= read < 500
        expected = [text.split("\n") for text in make_documents(500)]
        assert documents == expected[:read] + expected
        assert counts.damaged_inputs == 1


@pytest.mark.parametrize("write_table", [arrow_file, arrow_stream])
def test_offsets_that_point_out_of_the_table(tmp_path, write_table):
    content = write_table(["one", "two"])
    offsets, wrong = struct.pack("<3i", 0, 3, 6), struct.pack("<3i", 0, 3, 60_000)
    assert content.count(offsets) == 1
    path = write(tmp_path / "a.arrow", content.replace(offsets, wrong))
    with pytest.raises(DataError, match="damaged or truncated Arrow"):
        read_inputs(path)


@pytest.mark.parametrize("begins", [b"", b"ARROW1\0\0"])
@pytest.mark.parametrize("compress", [bytes, gzip.compress])
@pytest.mark.parametrize("end", [b"", b"\xff\xff\xff\xff\0\0\0\0", b"\xff\xff\xff"])
def test_an_arrow_file_that_ends_between_batches(tmp_path, begins, compress, end):
    """Only a stream may end behind any of its batches, with or without a mark."""
    batches = arrow_stream(make_documents(14))[:-8]
    path = write(tmp_path / "a", compress(begins + batches + end))
    documents, counts = read_inputs(path, on_error="skip")
    assert len(documents) == 14
    assert counts.damaged_inputs == (begins != b"" or len(end) == 3)


def test_a_wrong_checksum_of_a_page(tmp_path):
    """The text is still text, so nothing else would tell."""
    file = io.BytesIO()
    pq.write_table(
        table(["text 07"]), file, compression="none", use_dictionary=False,
        write_page_checksum=True, write_statistics=False,
    )  # fmt: skip
    path = write(tmp_path / "a.parquet", file.getvalue())
    assert read_inputs(path)[0] == [["text 07"]]
    write(path, file.getvalue().replace(b"text 07", b"text 70"))
    with pytest.raises(DataError, match=r"a\.parquet: damaged or truncated Parquet .*CRC"):
        read_inputs(path)
    documents, read = read_so_far(path, on_error="skip")
    assert (documents, read.counts.damaged_inputs, read.left_out) == ([], 1, ["a.parquet"])


def test_a_table_without_rows(tmp_path):
    path = write(tmp_path / "a.parquet", parquet([]))
    assert read_inputs(path)[0] == []
    file = io.BytesIO()
    pq.write_table(table(["one"]), file)
    (tmp_path / "b.parquet").write_bytes(file.getvalue())
    assert read_inputs(tmp_path)[0] == [["one"]]


COLUMNS = {
    "flag": [True, False, None],
    "list": [[1], [2, 3], None],
    "struct": [{"a": 1, "text": ["x"]}, None, {"a": 2, "text": []}],
    "binary": [b"x", None, b""],
    "dictionary": pa.array(["q", "q", "r"]).dictionary_encode(),
    "fixed": pa.array([[1, 2], [3, 4], None], pa.list_(pa.int8(), 2)),
    "map": pa.array([[("a", 1)], [], None], pa.map_(pa.string(), pa.int8())),
    "none": pa.nulls(3),
    "view": pa.array(["more than twelve bytes"] * 3, pa.string_view()),
}


@pytest.mark.parametrize("before", ["all", *COLUMNS])
@pytest.mark.parametrize("compression", [None, "lz4", "zstd"])
@pytest.mark.parametrize("text_type", [pa.string(), pa.large_string()])
def test_columns_of_every_kind_before_the_text(tmp_path, before, compression, text_type):
    columns = COLUMNS if before == "all" else {before: COLUMNS[before]}
    content = pa.table(
        columns | {"text": pa.array(["one", None, "three"], text_type), "z": [1] * 3}
    )
    options = pa.ipc.IpcWriteOptions(compression=compression)
    for name, new in {"file": pa.ipc.new_file, "stream": pa.ipc.new_stream}.items():
        with new(tmp_path / name, content.schema, options=options) as writer:
            writer.write_table(content)
            writer.write_table(content.slice(2))
        documents, counts = read_inputs(tmp_path / name, on_error="skip")
        assert documents == [["one"], ["three"], ["three"]]
        assert counts.bad_rows == 1


@pytest.mark.parametrize("options", [
    {"data_page_version": "2.0", "compression": "zstd"},
    {"compression": "none", "data_page_size": 500},
    {"use_dictionary": False, "column_encoding": {"text": "DELTA_LENGTH_BYTE_ARRAY"}},
    {"use_dictionary": False, "column_encoding": {"text": "DELTA_BYTE_ARRAY"}},
    {"dictionary_pagesize_limit": 1000, "data_page_size": 1000, "write_page_checksum": True},
])  # fmt: skip
def test_pages_of_every_kind(tmp_path, options):
    texts = [f"text {number // 2} é" for number in range(3000)]
    content = pa.table({"id": range(3000), "text": texts, "z": texts})
    pq.write_table(content, tmp_path / "a.parquet", row_group_size=1200, **options)
    assert read_inputs(tmp_path / "a.parquet")[0] == [[text] for text in texts]


@TABLES
def test_a_cell_has_the_limit_of_a_line(tmp_path, kind):
    texts = ["first", "x" * 5000, "last", None]
    path = write(tmp_path / "a", BINARY_TABLES[kind](texts))
    cleaning = Cleaning(max_document_bytes=1024)
    with pytest.raises(DataError, match=r"a, row 2: too long to be held") as caught:
        read_inputs(path, cleaning=cleaning)
    assert "--max-document-bytes" in caught.value.hint
    documents, counts = read_inputs(path, cleaning=cleaning, on_error="skip")
    assert documents == [["first"], ["last"]]
    assert (counts.too_long, counts.bad_rows) == (1, 1)


def test_two_columns_of_the_name(tmp_path):
    content = pa.Table.from_arrays([pa.array(["a"]), pa.array(["b"])], names=["text", "text"])
    pq.write_table(content, tmp_path / "a.parquet")
    with pa.ipc.new_file(tmp_path / "a.arrow", content.schema) as writer:
        writer.write_table(content)
    (tmp_path / "a.csv").write_text("text,text\na,b\n")
    for name in ("a.parquet", "a.arrow", "a.csv"):
        with pytest.raises(DataError, match=rf"{name}: more than one column is called 'text'"):
            read_inputs(tmp_path / name)


def test_the_first_row_of_csv_may_follow_blank_lines_and_has_a_limit(tmp_path):
    assert read_inputs(write(tmp_path / "a.csv", b"\r\n\ntext,id\na,1\n"))[0] == [["a"]]
    path = write(tmp_path / "b.csv", b"text," + b"x" * 5000 + b"\na,1\n")
    with pytest.raises(DataError, match=r"b\.csv, line 1: too long"):
        read_inputs(path, cleaning=Cleaning(max_document_bytes=1024), on_error="skip")


def test_parquet_is_cut_at_row_groups(tmp_path):
    documents = make_documents(60)
    path = write(tmp_path / "a.parquet", parquet(documents, rows=5))
    size = sum(map(len, documents))
    files = find_inputs([path], exclude=tmp_path / "o")
    plan = make_plan(files, options={}, text_field="text", slice_bytes=size // 4)
    ranges = [(part.start, part.end) for slice_ in plan.slices for part in slice_.parts]
    assert len(ranges) > 3
    assert ranges[0][0] == 0
    assert ranges[-1][1] == 12
    assert all(before[1] == after[0] for before, after in pairwise(ranges))
    assert sum(slice_.disk_bytes for slice_ in plan.slices) == path.stat().st_size
    assert not any(slice_.is_stream for slice_ in plan.slices)
