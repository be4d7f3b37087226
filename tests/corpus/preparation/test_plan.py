from __future__ import annotations

import gzip
import io

import pytest

from electra_cli.corpus.preparation.plan import BLANK_LINE, boundary, cuts_of, make_plan
from electra_cli.corpus.preparation.result import room_needed
from electra_cli.corpus.reading.discovery import find_inputs
from electra_cli.corpus.reading.readers import ReadOptions, ReadSoFar, read_documents
from electra_cli.errors import DataError
from tests.corpus.corpora import make_documents, write_jsonl, write_text
from tests.corpus.tables import write_zip

OPTIONS = ReadOptions(text_field="text", format="auto", on_error="fail")


def plan_of(*inputs, slice_bytes, options=None):
    files = find_inputs(inputs, exclude=inputs[0].parent / "o")
    return make_plan(files, options=options or {}, text_field="text", slice_bytes=slice_bytes)


def documents_of(plan):
    read = ReadSoFar()
    return [
        "\n".join(document)
        for slice_ in plan.slices
        for part in slice_.parts
        for document in read_documents(part, options=OPTIONS, read=read)
    ]


@pytest.mark.parametrize("slice_bytes", [1, 100, 777, 5000, 10**6])
@pytest.mark.parametrize("write", [write_text, write_jsonl])
def test_every_document_is_in_exactly_one_slice(tmp_path, write, slice_bytes):
    documents = make_documents(40)
    path = write(tmp_path / ("a.jsonl" if write is write_jsonl else "a.txt"), documents)
    plan = plan_of(path, slice_bytes=slice_bytes)
    assert documents_of(plan) == documents
    parts = [part for slice_ in plan.slices for part in slice_.parts]
    assert [part.start for part in parts[1:]] == [part.end for part in parts[:-1]]
    assert (parts[0].start, parts[-1].end) == (0, path.stat().st_size)
    if slice_bytes == 777:
        assert len(plan.slices) > 5


def test_cuts_fall_on_a_boundary_that_is_exactly_there(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_bytes(b'{"text":"a"}\n' * 4)
    parts = [slice_.parts[0] for slice_ in plan_of(path, slice_bytes=26).slices]
    assert [(part.start, part.end) for part in parts] == [(0, 26), (26, 52)]


def test_small_files_share_a_slice_and_gzip_is_not_cut(tmp_path):
    for number in range(6):
        (tmp_path / f"{number}.txt").write_bytes(b"x" * 40)
    (tmp_path / "7.txt.gz").write_bytes(gzip.compress(b"word " * 1000, mtime=0))
    plan = plan_of(tmp_path, slice_bytes=100)
    named = [[part.file.name for part in slice_.parts] for slice_ in plan.slices]
    assert named == [["0.txt", "1.txt"], ["2.txt", "3.txt"], ["4.txt", "5.txt"], ["7.txt.gz"]]


def test_plan_depends_on_content_and_options_but_not_on_the_place(tmp_path):
    for name in ("here", "there"):
        (tmp_path / name).mkdir()
        write_text(tmp_path / name / "a.txt", make_documents(5))
    here, there = (
        plan_of(tmp_path / name, slice_bytes=100, options={"seed": 1}).to_json()
        for name in ("here", "there")
    )
    assert here == there
    assert str(tmp_path) not in str(here)
    other = plan_of(tmp_path / "here", slice_bytes=100, options={"seed": 2}).to_json()
    assert other["fingerprint"] != here["fingerprint"]
    write_text(tmp_path / "here" / "a.txt", make_documents(6))
    longer = plan_of(tmp_path / "here", slice_bytes=100, options={"seed": 1}).to_json()
    assert longer["fingerprint"] != here["fingerprint"]


def test_empty_files_make_no_plan(tmp_path):
    (tmp_path / "a.txt").touch()
    with pytest.raises(DataError, match=r"the input is empty .*a\.txt"):
        plan_of(tmp_path / "a.txt", slice_bytes=100)


def slices_of(path, slice_bytes):
    files = find_inputs([path], exclude=path.parent / "o")
    return make_plan(files, options={}, text_field="text", slice_bytes=slice_bytes).slices


def test_text_without_blank_lines_is_a_stream(tmp_path):
    """It has no place to cut, so one reader feeds all workers, as with compressed files."""
    (tmp_path / "a.txt").write_text("a line\n" * 5000)
    (tmp_path / "b.txt").write_text("a line\n\n" * 5000)
    assert [slice_.is_stream for slice_ in slices_of(tmp_path / "a.txt", 10_000)] == [True]
    assert [slice_.is_stream for slice_ in slices_of(tmp_path / "b.txt", 8000)] == [False] * 5


@pytest.mark.parametrize("name", ["a.txt", "a.txt.gz", "a.zip"])
def test_room_that_is_needed_before_anything_is_there(tmp_path, name):
    """It is measured in text, of which a compressed byte holds about three."""
    text = "".join(f"{number * 7919 % 100_000}\n\n" for number in range(50_000)).encode()
    path = tmp_path / name
    if name == "a.zip":
        write_zip(path, {"a.txt": text})
    else:
        path.write_bytes(gzip.compress(text) if name == "a.txt.gz" else text)
    plan = plan_of(path, slice_bytes=10_000)
    expected = path.stat().st_size * (1 if name == "a.txt" else 3) * 0.6
    assert room_needed(plan.slices) == f"about {int(expected):,} more are needed"


@pytest.mark.parametrize("window", [1, 7, 2**16 + 1, 2**20])
def test_windows_do_not_show(window):
    text = b"".join(b"x" * n + b"\n \t \r\n" + b"y\n" * n for n in range(1, 60))
    for position in range(1, len(text), 7):
        found = BLANK_LINE.search(text, position - 1)
        expected = found.end() if found else len(text)
        assert boundary(io.BytesIO(text), position, BLANK_LINE, window) == expected


def test_an_end_that_is_far_away_is_found_in_the_same_window_as_before():
    """Blanks between two line ends are seen as far as a window reaches, and 4 KiB back."""
    text = b"x" * 60_000 + b"\n" + b" " * 60_000 + b"\ny" * 2**19 + b"\n\nz"
    assert boundary(io.BytesIO(text), 1, BLANK_LINE) == 120_002
    assert boundary(io.BytesIO(text), 60_002, BLANK_LINE) == len(text) - 1


def test_known_cuts_are_those_of_the_same_content(tmp_path):
    text = write_text(tmp_path / "a.txt", make_documents(60))
    planned = plan_of(text, slice_bytes=3000)
    stored = planned.to_json()
    ((key, ends),) = cuts_of(stored).items()
    assert key[:2] == (text.stat().st_size, "txt")
    assert ends == [slice_.parts[0].end for slice_ in planned.slices]
    for damaged in (None, [], {}, stored | {"format_version": 1}, stored | {"slices": [[1]]}):
        assert cuts_of(damaged) == {}
