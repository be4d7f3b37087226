"""Inputs in object stores: the same files, documents and shards as from a disk."""

from __future__ import annotations

import itertools
import re
import shutil
import threading
from collections.abc import Iterator
from hashlib import md5
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from electra_cli.corpus.preparation.options import PrepareOptions
from electra_cli.corpus.reading.discovery import find_inputs
from electra_cli.corpus.reading.faults import LeftOut
from electra_cli.corpus.reading.input_file import opened
from electra_cli.corpus.reading.passed_over import PassedOver
from electra_cli.corpus.reading.readers import Part, ReadSoFar, read_documents
from electra_cli.errors import ConfigError, DataError, InputMissingError
from tests.conftest import Electra
from tests.corpus.corpora import folder_bytes, make_documents, write_vocabulary
from tests.corpus.tables import COMPRESSORS, WRITERS, jsonl, txt, write_tar, write_zip
from tests.prepared import prepare
from tests.s3 import LISTING, S3, cut, status, unlisted

DOCUMENTS = make_documents(60)


def write_corpus(folder: Path) -> Path:
    """A file of every format, and what is not read."""
    folder.mkdir()
    for name, write in WRITERS.items():
        (folder / name).write_bytes(write(DOCUMENTS))
    for ending, compress in COMPRESSORS.items():
        (folder / f"b.jsonl{ending}").write_bytes(compress(jsonl(DOCUMENTS[:9])))
    members = {"in/a.txt": txt(DOCUMENTS[:5]), "in/a.pdf": b"%PDF"}
    write_tar(folder / "c.tar", members)
    write_tar(folder / "c.tgz", members, "w:gz")
    write_zip(folder / "c.zip", members)
    (folder / "c.parquet.gz").write_bytes(COMPRESSORS[".gz"](WRITERS["a.parquet"](DOCUMENTS)))
    (folder / "sub").mkdir()
    for name in ("noending", "image.pdf", ".hidden.txt", "sub/notes.md", "sub/settings.json"):
        (folder / name).write_text("{}" if name.endswith("json") else "text")
    return folder


def put_all(s3: S3, folder: Path, name: str) -> str:
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            s3.put(f"{name}/{path.relative_to(folder).as_posix()}", path)
    return f"{s3.bucket}/{name}"


def found(*inputs: Path | str, **options: Any) -> list[tuple[Any, ...]]:
    files = find_inputs(inputs, exclude=Path("/nowhere"), **options)
    return [(file.name, file.format, file.compressed, file.size) for file in files]


def test_stores_are_searched_like_folders(s3: S3, tmp_path: Path) -> None:
    folder = write_corpus(tmp_path / "texts")
    url = put_all(s3, folder, "texts")
    for pattern in ("", "/", "/*.txt", "/**/*.md", "/[ab].*", "/sub", "/su*", "/a.csv", "/c.*"):
        told: list[Any] = []
        for where in (folder, url):
            passed_over, notes = PassedOver(), []
            # A path has no slash at its end.
            given = f"{where}{pattern}" if where == url else Path(f"{where}{pattern}")
            files = found(given, passed_over=passed_over, on_note=notes.append)
            told.append((files, passed_over, [note.replace(str(where), "") for note in notes]))
        assert told[0] == told[1], pattern
        assert told[0][0], pattern
    odd = s3.put("odd[1]/a[1].txt", b"text")
    for given, name in [(odd, "a[1].txt"), (f"{s3.bucket}/odd[1]", "a[1].txt")]:
        assert [file[0] for file in found(given)] == [name]
    files = find_inputs([url, f"{url}/a.txt", folder / "a.csv"], exclude=tmp_path / "o")
    assert len(files) == len(find_inputs([folder], exclude=tmp_path / "o")) + 1
    assert next(file.label for file in files if file.name == "a.txt") == f"{url}/a.txt"


@pytest.mark.slow
def test_shards_and_manifest_are_those_of_files(s3: S3, tmp_path: Path) -> None:
    folder = write_corpus(tmp_path / "texts")
    url = put_all(s3, folder, "texts")
    vocab = write_vocabulary(tmp_path / "words.txt")
    options = {"vocab": vocab, "sequence_length": 32, "slice_bytes": 4000}
    prepare(folder, tmp_path / "local", **options)
    expected = folder_bytes(tmp_path / "local")
    assert len(expected) > 30
    # The store fails while the corpus is looked at, planned and read.
    s3.proxy.fail("GET", LISTING, unlisted("a.txt"))
    for name in ("a.txt", "a.parquet", "c.zip", "b.jsonl.gz", "file.arrow"):
        s3.proxy.fail("GET", re.escape(name), cut)
        s3.proxy.fail("HEAD", re.escape(name), status(503))
    prepare(url, tmp_path / "stored", **options, workers=2)
    assert not [act for act in s3.proxy.acts if act[3]]  # all of them happened
    stored = folder_bytes(tmp_path / "stored")
    assert expected.keys() == stored.keys()
    # Only the plan tells where the text was: by the fingerprints of the files.
    assert [name for name in expected if expected[name] != stored[name]] == ["plan.json"]


def test_an_object_that_was_replaced_is_another_input(s3: S3, tmp_path: Path) -> None:
    url = s3.put("a.txt", txt(DOCUMENTS))
    (file,) = find_inputs([url], exclude=tmp_path / "o")
    part = Part(file, 0, file.size, file.size)
    options = PrepareOptions().read
    assert next(read_documents(part, options=options, read=ReadSoFar()))
    # Whoever opens it, and whenever: not only where a slice begins.
    s3.put("a.txt", txt(DOCUMENTS[::-1]))
    with pytest.raises(DataError, match=f"{url} has another content than when"):
        next(read_documents(part, options=options, read=ReadSoFar()))
    moved = s3.put("elsewhere/a.txt", txt(DOCUMENTS))
    (copy,) = find_inputs([moved], exclude=tmp_path / "o")
    assert (copy.name, copy.fingerprint) == (file.name, file.fingerprint)


def test_credentials_that_run_out(s3: S3, tmp_path: Path) -> None:
    """What is to be done is said as if they had never been good."""
    url, looked = s3.put("a.txt", txt(DOCUMENTS)), itertools.count()
    s3.proxy.fail("GET", "a.txt", lambda a: status(403)(a) if next(looked) else a, 100)
    with pytest.raises(InputMissingError, match=f"{url} was refused") as caught:
        prepare(url, tmp_path / "o", vocab=write_vocabulary(tmp_path / "words.txt"))
    assert "set AWS_ACCESS_KEY_ID" in caught.value.hint


@pytest.mark.parametrize(
    ("given", "error", "words"),
    [
        ("s3:/bucket/a.txt", ConfigError, "s3:/bucket/a.txt is no URL"),
        ("s3://", ConfigError, "is no URL"),
        (Path("s3://bucket/a.txt"), ConfigError, "s3:/bucket/a.txt is no URL"),
        ("hdfs://n:8020/x", ConfigError, "of URLs only s3://, gs://, az://, hf://, https:// are"),
        ("abfss://c@account/x", ConfigError, "of URLs only"),
        ("file:///data/x", ConfigError, "is a URL of a local file"),
        ("s3://no-such-bucket/a.txt", InputMissingError, "not found: s3://no-such-bucket/a.txt"),
        ("BUCKET/nowhere", InputMissingError, "not found: "),
        ("BUCKET/nowhere/", InputMissingError, "no object fits "),
        ("BUCKET/*.txt", InputMissingError, "no object fits "),
        ("BUCKET/sub", DataError, "no text in "),
    ],
)
def test_inputs_that_cannot_be(
    s3: S3, tmp_path: Path, given: Any, error: type[Exception], words: str
) -> None:
    s3.put("sub/a.pdf", b"%PDF")
    if isinstance(given, str):
        given = given.replace("BUCKET", s3.bucket)
    with pytest.raises(error, match=re.escape(words)):
        prepare(given, tmp_path / "o")
    assert not (tmp_path / "o").exists()
    assert s3.waits == []


def test_the_command_takes_urls(
    s3: S3, electra: Electra, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    url = s3.put("a.bin", bytes(range(256)))
    for given, code, words in [
        ("s3:/b/a.txt", 2, ["s3:/b/a.txt is no URL", "two slashes", "$PWD/s3:/b/a.txt"]),
        ("s3://no-such-bucket/a.txt", 66, ["not found: s3://no-such-bucket/a.txt", "bucket"]),
        (url, 65, [f"no reader for {url}", "it is binary"]),
    ]:
        electra("prepare-data", given, "--output", "o", "--json").failed(code, *words)
    assert not list(tmp_path.iterdir())


def test_damaged_objects_are_left_out_like_files(s3: S3, tmp_path: Path) -> None:
    s3.put("t/a.jsonl.gz", COMPRESSORS[".gz"](jsonl(DOCUMENTS))[:900])
    s3.put("t/b.txt", bytes(range(256)) * 9)
    s3.put("t/c.txt", b"text")
    left_out = LeftOut(skips=True)
    url = f"{s3.bucket}/t"
    files = find_inputs([url], exclude=tmp_path / "o", left_out=left_out)
    assert [file.name for file in files] == ["a.jsonl.gz", "c.txt"]
    assert left_out.unreadable == ["b.txt"]
    with pytest.raises(DataError, match=f"no reader for {url}/b.txt"):
        find_inputs([url], exclude=tmp_path / "o")


@pytest.fixture
def web(tmp_path: Path) -> Iterator[tuple[str, Path, dict[str, bool]]]:
    """A folder on the web, and what its server does: ranges, tags."""
    folder, does = tmp_path / "web", {"ranges": True, "tags": True, "times": True}
    folder.mkdir()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = folder / self.path.partition("?")[0].removeprefix("/").replace("%20", " ")
            if not path.is_file():
                self.send_error(404)
                return
            data, code = path.read_bytes(), 200
            tag = md5(data).hexdigest()
            asked = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
            if asked and does["ranges"]:
                data, code = data[int(asked[1]) : int(asked[2]) + 1], 206
            self.send_response(code)
            self.send_header("Content-Length", str(len(data)))
            if does["tags"]:
                self.send_header("ETag", f'"{tag}"')
            if does["times"]:
                self.send_header("Last-Modified", "Thu, 01 Jan 2026 00:00:00 GMT")
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(data)

        do_HEAD = do_GET  # noqa: N815

        def log_message(self, *values: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", folder, does
    server.shutdown()
    server.server_close()


def test_the_web_is_read_by_ranges(web: tuple[str, Path, dict[str, bool]]) -> None:
    url, folder, does = web
    (folder / "a b.txt").write_bytes(txt(DOCUMENTS) * 20)
    signed = f"{url}/a%20b.txt?sig=0123456789abcdef&x=1"
    fingerprints = []
    for other in (b"x", b"y", b"z"):
        (file,) = find_inputs([signed], exclude=folder)
        assert (file.name, file.size) == ("a b.txt", (folder / "a b.txt").stat().st_size)
        assert "0123456789" not in file.label
        fingerprints.append(file.fingerprint)
        with opened(file.path) as stream:
            stream.seek(200_000)
            assert stream.read(100) == (folder / "a b.txt").read_bytes()[200_000:200_100]
        file.opened().close()
        (folder / "a b.txt").write_bytes((folder / "a b.txt").read_bytes()[:-1] + other)
        if does["tags"] or not does["times"]:  # the same size and time tell nothing
            with pytest.raises(DataError, match="has another content"):
                file.opened()
        does["times"] &= does["tags"]
        does["tags"] = False
    assert len(set(fingerprints)) == 3


def test_a_server_without_ranges_is_told(web: tuple[str, Path, dict[str, bool]]) -> None:
    url, folder, does = web
    (folder / "a.txt").write_bytes(txt(DOCUMENTS) * 30)
    does["ranges"] = False
    (file,) = find_inputs([f"{url}/a.txt"], exclude=folder)
    with opened(file.path) as stream, pytest.raises(InputMissingError, match="range requests"):
        stream.read(-1)
    with pytest.raises(InputMissingError, match="not found: http://127"):
        find_inputs([f"{url}/b.txt"], exclude=folder)
    shutil.rmtree(folder)
