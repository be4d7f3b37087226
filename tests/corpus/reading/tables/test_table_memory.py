"""Tables that hold far more than their size or their metadata tell are read in bounded memory."""

from __future__ import annotations

import json
import random
import subprocess
import sys

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from electra_cli.corpus.reading.tables import columns
from electra_cli.errors import DataError
from tests.corpus.corpora import read_inputs, write_vocabulary

_COMMAND_LIMIT = (300 + 150) * 2**20
# For reading alone: the interpreter and the library take some 90 MB of it.
_READING_LIMIT = 250 * 2**20

# What a process is told of its child's memory includes its own, from before the child began.
_PEAK = 'int(next(l.split()[1] for l in open("/proc/self/status") if l.startswith("VmHWM"))) * 1024'
_READ = f"""
import sys
from electra_cli.corpus.reading.tables.columns import arrow_texts, parquet_texts
path = sys.argv[1]
with open(path, "rb") as stream:
    texts = (
        parquet_texts(stream, path, "text", None)
        if path.endswith("parquet")
        else arrow_texts(stream, path, "text")
    )
    read = sum(map(len, texts))
print(read, {_PEAK})
"""
_PREPARE = f"""
import sys
from electra_cli.cli.app import run
from electra_cli.corpus.reading.containers import compression
compression.UNLIMITED_BYTES = 4 * 2**20  # to tokenize less
code = run(sys.argv[1:])
print({_PEAK}, file=sys.stderr)
sys.exit(code)
"""


def read_in_a_process(path) -> tuple[int, int]:
    """Bytes of all texts, and the most memory that reading them took."""
    done = subprocess.run(
        [sys.executable, "-c", _READ, str(path)], check=True, stdout=subprocess.PIPE, text=True
    )
    read, peak = map(int, done.stdout.split())
    return read, peak


def prepare_in_a_process(path, tmp_path) -> tuple[subprocess.CompletedProcess[str], int]:
    """What `prepare-data` with one worker said, and the most memory that it took."""
    vocab = write_vocabulary(tmp_path / "words.txt")
    command = ["prepare-data", str(path), "--output", str(tmp_path / "out"), "--vocab", str(vocab)]
    done = subprocess.run(
        [sys.executable, "-c", _PREPARE, *command, "--workers", "1", "--json", "--quiet"],
        capture_output=True,
        text=True,
        check=False,
    )
    return done, int(done.stderr.split()[-1])


def random_words(size: int, seed: int) -> str:
    return random.Random(seed).randbytes(size // 2).hex()


def write_dictionary_parquet(path, cells, times):
    pq.write_table(pa.table({"text": cells * times}), path, compression="zstd")
    return len(cells[0]) * len(cells) * times


def write_prefix_parquet(path, prefix, count):
    pq.write_table(
        pa.table({"text": [f"{prefix}{number:06}" for number in range(count)]}),
        path,
        use_dictionary=False,
        column_encoding={"text": "DELTA_BYTE_ARRAY"},
    )
    return (len(prefix) + 6) * count


def test_values_that_many_rows_of_parquet_share(tmp_path):
    path = tmp_path / "a.parquet"
    cells = [random_words(2**20, seed) for seed in range(12)]
    size = write_dictionary_parquet(path, cells, 25)
    assert path.stat().st_size < 13 * 2**20 < size // 22
    read, peak = read_in_a_process(path)
    assert read == size
    assert peak < _READING_LIMIT


def test_beginnings_that_many_rows_of_parquet_share(tmp_path):
    path = tmp_path / "a.parquet"
    size = write_prefix_parquet(path, random_words(2**20, 0), 300)
    assert path.stat().st_size < 2 * 2**20
    read, peak = read_in_a_process(path)
    assert read == size
    assert peak < _READING_LIMIT


@pytest.mark.parametrize(
    ("kind", "compression"), [("file", None), ("file", "lz4"), ("stream", "zstd")]
)
def test_one_batch_of_arrow_that_holds_everything(tmp_path, kind, compression):
    path = tmp_path / "a.arrow"
    texts = [f"{number} " + "word " * 20_000 for number in range(2000)]
    content = pa.table({"id": range(2000), "text": texts})
    new = pa.ipc.new_file if kind == "file" else pa.ipc.new_stream
    with new(path, content.schema, options=pa.ipc.IpcWriteOptions(compression=compression)) as out:
        out.write_table(content)
    read, peak = read_in_a_process(path)
    assert read == sum(map(len, texts))
    assert peak < _READING_LIMIT


def test_a_parquet_bomb_is_refused_in_little_memory(tmp_path):
    path = tmp_path / "bomb.parquet"
    write_dictionary_parquet(path, ["the " * 250_000], 1000)
    assert path.stat().st_size < 1000
    done, peak = prepare_in_a_process(path, tmp_path)
    assert done.returncode == 65
    message = json.loads(done.stdout)["error"]["message"]
    assert f"{path} looks like a decompression bomb" in message
    assert "more than 200 times as many" in message
    assert peak < _COMMAND_LIMIT


def test_pages_and_batches_that_cannot_be_cut_are_refused_before_they_are_decoded(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(columns, "_DECODED_AT_ONCE", 250_000)
    texts = [random_words(1000, seed) for seed in range(300)]
    content = pa.table({"text": texts})
    pq.write_table(content, tmp_path / "large.parquet")
    pq.write_table(content, tmp_path / "small.parquet", row_group_size=100)
    with pytest.raises(DataError, match=r"large\.parquet: a page of row group 0 would take") as no:
        read_inputs(tmp_path / "large.parquet")
    assert "row_group_size=100" in no.value.hint
    assert len(read_inputs(tmp_path / "small.parquet")[0]) == 300
    for text_type in (pa.string_view(), pa.dictionary(pa.int32(), pa.string())):
        content = pa.table({"text": pa.array(texts).cast(text_type)})
        for compression in (None, "zstd"):
            with pa.ipc.new_file(
                tmp_path / "a.arrow",
                content.schema,
                options=pa.ipc.IpcWriteOptions(compression=compression),
            ) as out:
                out.write_table(content)
            with pytest.raises(DataError, match=r"a\.arrow: message 0 would take"):
                read_inputs(tmp_path / "a.arrow")
