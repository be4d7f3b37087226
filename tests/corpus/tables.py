"""Files of every format and compression, written by the libraries that users write them with."""

from __future__ import annotations

import bz2
import csv
import gzip
import io
import json
import lzma
import tarfile
import zipfile
from functools import partial
from pathlib import Path

import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet as pq
import zstandard

COMPRESSORS = {
    "": bytes,
    ".gz": gzip.compress,
    ".zst": zstandard.ZstdCompressor(write_checksum=True).compress,
    ".xz": partial(lzma.compress, preset=0),  # by default most of the time goes into it
    ".bz2": bz2.compress,
}


def txt(documents: list[str]) -> bytes:
    return "\n\n".join(documents).encode() + b"\n"


def jsonl(documents: list[str]) -> bytes:
    return b"".join(json.dumps({"text": text}).encode() + b"\n" for text in documents)


def delimited(documents: list[str], delimiter: str) -> bytes:
    file = io.StringIO(newline="")
    # Tabs say that nothing is quoted, unless the header is.
    quoting = csv.QUOTE_NONNUMERIC if delimiter == "\t" else csv.QUOTE_MINIMAL
    writer = csv.writer(file, delimiter=delimiter, quoting=quoting)
    writer.writerow(["id", "text"])
    writer.writerows(enumerate(documents))
    return file.getvalue().encode()


def table(documents: list[str | None], text_type: pa.DataType | None = None) -> pa.Table:
    texts = pa.array(documents, text_type or pa.string())
    return pa.table({"id": list(range(len(documents))), "text": texts})


def parquet(documents: list[str | None], *, rows: int = 7) -> bytes:
    file = io.BytesIO()
    pq.write_table(table(documents), file, row_group_size=rows)
    return file.getvalue()


def arrow_file(documents: list[str | None]) -> bytes:
    file = io.BytesIO()
    pa.feather.write_feather(table(documents), file, chunksize=7)
    return file.getvalue()


def arrow_stream(documents: list[str | None]) -> bytes:
    file = io.BytesIO()
    content = table(documents)
    with pa.ipc.new_stream(file, content.schema) as writer:
        writer.write_table(content, max_chunksize=7)
    return file.getvalue()


WRITERS = {
    "a.txt": txt,
    "a.jsonl": jsonl,
    "a.csv": lambda documents: delimited(documents, ","),
    "a.tsv": lambda documents: delimited(documents, "\t"),
    "a.parquet": parquet,
    "file.arrow": arrow_file,
    "stream.arrow": arrow_stream,
}


def write_tar(path: Path, members: dict[str, bytes], mode: str = "w") -> Path:
    with tarfile.open(path, mode) as tar:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return path


def write_zip(path: Path, members: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path
