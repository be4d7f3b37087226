"""How much a table may hold in one piece, and what reading it takes."""

from __future__ import annotations

import random
import shlex
import subprocess
import sys

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from electra_cli.corpus.reading.faults import DamagedError
from electra_cli.corpus.reading.tables.columns import (
    arrow_texts,
    parquet_row_groups,
    parquet_texts,
)
from tests.corpus.corpora import read_inputs

TEXTS = [f"{number:1000}" for number in range(3000)]

# What a process is told of its child's memory includes its own, from before the child began.
_PEAK = 'int(next(l.split()[1] for l in open("/proc/self/status") if l.startswith("VmHWM"))) * 1024'
_READ = f"""
import sys
import pyarrow.parquet
from electra_cli.corpus.reading.tables.columns import arrow_texts, parquet_texts
before = {_PEAK}
for path in sys.argv[1:]:
    with open(path, "rb") as stream:
        if path.endswith("parquet"):
            texts = parquet_texts(stream, path, "text", None)
        else:
            texts = arrow_texts(stream, path, "text")
        print(sum(map(len, texts)), {_PEAK} - before)
"""


def write_arrow(path, content, new=pa.ipc.new_file, compression=None):
    options = pa.ipc.IpcWriteOptions(compression=compression)
    with new(path, content.schema, options=options) as out:
        out.write_table(content)


def test_what_reading_takes_in_memory(tmp_path):
    """A few rows at a time, and besides a page of Parquet or a batch of Arrow."""
    words = random.Random(0).randbytes(2**19).hex()
    large = [words[place:] + words[:place] for place in range(64)]
    small = [large[number % 64][: 1000 + number % 7] for number in range(65_000)]
    pq.write_table(pa.table({"text": small}), tmp_path / "small_pages.parquet")
    pq.write_table(pa.table({"text": large}), tmp_path / "one_page.parquet", use_dictionary=False)
    write_arrow(tmp_path / "one_batch.arrow", pa.table({"text": small}), compression="zstd")
    names = ["small_pages.parquet", "one_page.parquet", "one_batch.arrow"]
    done = subprocess.run(
        [sys.executable, "-c", _READ, *(str(tmp_path / name) for name in names)],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    for line, texts, most in zip(
        done.stdout.splitlines(), (small, large, small), (70, 160 + 64, 160 + 64), strict=True
    ):
        read, peak = map(int, line.split())
        assert read == sum(map(len, texts)) > 64_000_000
        assert peak < most * 2**20


def rewritten(hint: str, monkeypatch) -> None:
    """Types the command between the quotes of a hint."""
    python, option, code, *names = shlex.split(hint.split("`")[1])
    assert (python, option) == ("python", "-c")
    monkeypatch.setattr(sys, "argv", ["-c", *names])
    exec(code, {})


def test_a_row_group_has_a_limit(tmp_path, monkeypatch):
    path = tmp_path / "a b.parquet"
    pq.write_table(pa.table({"id": range(3000), "text": TEXTS}), path, row_group_size=2000)
    with path.open("rb") as stream:
        assert len(parquet_row_groups(stream, str(path), "text")) == 2
        for read in (parquet_row_groups, lambda *a, **k: next(parquet_texts(*a, None, **k))):
            with pytest.raises(
                DamagedError,
                match=r"a b\.parquet: row group 0 holds 2,\d{3},\d{3} bytes .* than 2,000,000$",
            ) as caught:
                read(stream, str(path), "text", largest=2_000_000)
            assert caught.value.exit_code == 65
    rewritten(caught.value.hint, monkeypatch)
    assert read_inputs(tmp_path / "a b.parquet.parquet")[0] == [[text.strip()] for text in TEXTS]
    with (tmp_path / "a b.parquet.parquet").open("rb") as stream:
        assert len(parquet_row_groups(stream, "b", "text", largest=2_000_000)) == 3


@pytest.mark.parametrize("new", [pa.ipc.new_file, pa.ipc.new_stream])
@pytest.mark.parametrize("compression", [None, "zstd"])
@pytest.mark.parametrize("text_type", [pa.string(), pa.string_view()])
def test_a_record_batch_has_a_limit(tmp_path, monkeypatch, new, compression, text_type):
    path = tmp_path / "a.arrow"
    write_arrow(path, pa.table({"text": pa.array(TEXTS, text_type)}), new, compression)
    with (
        path.open("rb") as stream,
        pytest.raises(
            DamagedError,
            match=r"a\.arrow: record batch 0 holds 3,\d{3},\d{3} bytes .* than 2,000,000$",
        ) as caught,
    ):
        next(arrow_texts(stream, str(path), "text", largest=2_000_000))
    rewritten(caught.value.hint, monkeypatch)
    assert read_inputs(tmp_path / "a.arrow.parquet")[0] == [[text.strip()] for text in TEXTS]
