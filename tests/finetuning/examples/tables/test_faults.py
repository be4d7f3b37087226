"""Tables that cannot be read: what is said, and what to do."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from electra_cli.config.finetune import TaskConfig
from electra_cli.errors import DataError
from electra_cli.finetuning.examples.readers import read_split


def parquet(**columns: Any) -> bytes:
    sink = io.BytesIO()
    pq.write_table(pa.table(columns), sink)
    return sink.getvalue()


GOOD = "text,label\nx,1\n"
PROSE = "Once upon a time there was a king.\nHe had three daughters.\n"
INVALID = pa.Array.from_buffers(
    pa.string(), 1, [None, pa.py_buffer(b"\0\0\0\0\1\0\0\0"), pa.py_buffer(b"\xff")]
)
CASES: dict[str, tuple[str, str | bytes, dict[str, Any], str, str]] = {
    "column": ("a.csv", GOOD, {"text": "txt"}, "no column 'txt'; its 2 columns: 'text', 'label'",
               "did you mean text?"),
    "label": ("a.csv", GOOD, {"label": "Lable"}, "no column 'Lable'", "did you mean label?"),
    "field": ("a.jsonl", '{"txt": "x", "label": 1}', {}, "no column 'text'; its 2 columns: 'txt'",
              "did you mean txt?"),
    "of parquet": ("a.parquet", parquet(txt=["x"], label=[1]), {}, "no column 'text'",
                   "did you mean txt?"),
    "number": ("a.csv", "x,1\n", {"header": False, "text": "#3"}, "no column '#3'",
               "--text '#1'"),
    "name without header": ("a.csv", "x,1\n", {"header": False}, "read without a header",
                            "--text '#1'"),
    "no header": ("a.csv", "x,1\ny,0\n", {}, "'x', '1'", "--set task.header=false"),
    "twice": ("a.csv", "text,text,label\nx,y,1\n", {}, "more than one column is called 'text'",
              "from #1 to #3"),
    "prose": ("a.csv", PROSE, {}, "its 1 column: 'Once upon a time", "--text and --label"),
    "ragged": ("a.csv", "text,label\nx,1\nx\nx,y,1\n", {},
               "2 rows without the 2 fields of the first: line 3 has 1; line 4 has 3",
               'quote fields with "'),
    "open quote": ("a.csv", 'text,label\nx,1\n"y,0\nz,1\n', {},
                   "line 3: a quote that opens a field is never closed", "task.quoting=none"),
    "closed too early": ("a.csv", 'text,label\n"a" b,0\n', {}, "line 2: no CSV", "quote"),
    "latin": ("a.csv", b"text,label\nx,1\ncaf\xe9,1\n", {},
              "line 3: invalid UTF-8 (byte 0xe9", "correct it"),
    "utf-16": ("a.csv", GOOD.encode("utf-16"), {}, "text in UTF-16", "iconv -f UTF-16"),
    "binary": ("a.csv", b"ab\0\0cd\n", {}, "is binary", "Parquet"),
    "pdf": ("a.csv", b"%PDF-1.4\n", {}, "it is a PDF", "pdftotext"),
    "workbook": ("a.xlsx", b"PK\x03\x04....", {}, "zip archive", "as CSV"),
    "empty": ("a.csv", "", {}, "has no examples for train", "head"),
    "header only": ("a.csv", "text,label\n", {}, "has no examples for train", "head"),
    "no label": ("a.csv", "text,label\na,1\nb,\nc, \n", {},
                 "2 labels of column 'label' cannot be read: line 3 (empty); line 4 (empty)",
                 "mend them"),
    "other label": ("a.csv", "text,label\na,yes\nb,yess\n", {"labels": "yes,no"},
                    "line 3 ('yess', meant 'yes'?)", "task.labels"),
    "no numbers": ("a.csv", 'text,label\na,nan\nb,inf\nc,x\nd,"3,5"\ne,1_0\nf,\ng,1\n',
                   {"kind": "regression"},
                   "6 numbers of column 'label' cannot be read: line 2 ('nan'); line 3 ('inf'); "
                   "line 4 ('x'); line 5 ('3,5'); line 6 ('1_0') and 1 more", "with a point"),
    "no numbers of JSON": ("a.jsonl", '{"text": "x", "label": NaN}\n{"text": "x", "label": true}',
                           {"kind": "regression"}, "line 1 ('nan'); line 2 (True)", "finite"),
    "null text": ("a.parquet", parquet(text=["x", None], label=[1, 1]), {},
                  "1 text of column 'text' cannot be read: row 2 (null)", "fill"),
    "null label": ("a.parquet", parquet(text=["x", "y"], label=[1.0, None]), {},
                   "1 label of column 'label' cannot be read: row 2 (null)", "mend"),
    "list": ("a.parquet", parquet(text=[["x"]], label=[1]), {}, "row 1 (a list)", "fill"),
    "cut parquet": ("a.parquet", parquet(text=["x"], label=[1])[:-9], {}, "damaged Parquet",
                    "fetch"),
    "parquet not in UTF-8": ("a.parquet", parquet(text=INVALID, label=[1]), {},
                             "text that is no UTF-8", "make"),
    "missing fields": ("a.jsonl", '{"text": "x", "label": 1}\n{"text": "y"}\n{"label": [1]}', {},
                       "1 text of column 'text' cannot be read: line 3 (null)", "fill"),
    "no JSON": ("a.jsonl", '{"text": "x", "label": 1}\n{oops}\n[1]\n', {},
                "2 lines cannot be read as a JSON object: line 2 (Expecting", "object on each"),
    "JSON in one piece": ("a.json", '[{"text": "x", "label": 1}]', {}, "in one piece", "jq -c"),
    "JSON of several lines": ("a.json", '{\n"text": "x"\n}', {}, "line 1 (", "jq -c"),
    "surrogate": ("a.jsonl", '{"text": "\\ud800", "label": 1}', {}, "unpaired surrogate", ""),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_faults(case: str, tmp_path: Path) -> None:
    name, content, task, message, hint = CASES[case]
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(DataError) as error:
        read_split(path, TaskConfig(**task), name="train")
    assert str(path) in error.value.message
    assert message in error.value.message
    assert hint in error.value.hint
