"""Object stores, over a real server of S3 that fails where it is told to."""

from __future__ import annotations

import importlib
import io
import itertools
import os
import random
import re
import socket
import time
from contextlib import suppress
from functools import cache
from pathlib import Path

import pytest

from electra_cli.errors import (
    ConfigError,
    InputMissingError,
    OutputError,
    TryAgainError,
)
from electra_cli.files.remote import faults, libraries, store
from electra_cli.files.remote.store import Store
from electra_cli.files.remote.stream import _LARGEST_BLOCK, ReplacedError
from tests.s3 import LISTING, S3, SECRET, Answer, cut, status, unlisted

S3_STORE = Store("s3")
CONTENT = random.Random(1).randbytes(20_000_000)


def urls(bucket: str, *names: str) -> list[str]:
    return [f"{bucket}/{name}" for name in names]


def test_objects_are_written_found_read_and_deleted(s3: S3, tmp_path: Path) -> None:
    bucket = s3.bucket
    for name in ("texts/a.txt", "texts/b.jsonl", "texts/deep/er/c.txt", "text", "x y+z [1].txt"):
        s3.put(name, name.encode())
    (tmp_path / "large").write_bytes(CONTENT)
    S3_STORE.upload(tmp_path / "large", f"{bucket}/large")
    assert S3_STORE.entry(f"{bucket}/large").size == len(CONTENT)
    assert S3_STORE.read(f"{bucket}/large", 9_000_000, 30) == CONTENT[9_000_000:9_000_030]
    assert S3_STORE.read(f"{bucket}/x y+z [1].txt") == b"x y+z [1].txt"

    def found(name: str) -> list[str]:
        return [entry.url.removeprefix(f"{bucket}/") for entry in S3_STORE.find(f"{bucket}/{name}")]

    assert found("text") == ["text"]  # is no folder, although a folder's name begins so
    all_texts = ["texts/a.txt", "texts/b.jsonl", "texts/deep/er/c.txt"]
    assert found("texts") == found("texts/") == found("tex*s") == found("texts/**") == all_texts
    assert found("texts/*.txt") == ["texts/a.txt"]
    assert found("texts/**/*.txt") == ["texts/a.txt", "texts/deep/er/c.txt"]
    assert found("texts/[ab].*") == ["texts/a.txt", "texts/b.jsonl"]
    assert found("x y+z [1].txt") == found("x*.txt") == ["x y+z [1].txt"]
    for name in ("odd/a[1].txt", "odd/a1.txt", "odd/b?c", "odd/bxc", "odd/d[1]/a", "odd/d1/a"):
        s3.put(name, b"text")
    for name in ("odd/a[1].txt", "odd/b?c"):  # as it is called, before what it fits
        assert found(name) == [name]
    assert found("odd/d[1]") == found("odd/d[1]/") == ["odd/d[1]/a"]
    assert found("odd/a[12].txt") == ["odd/a1.txt"]
    assert found("*.pdf") == found("nowhere/") == []
    entries = S3_STORE.find(f"{bucket}/texts/a.txt") + S3_STORE.find(f"{bucket}/texts/a.*")
    assert len(set(entries)) == 1  # whether it was looked at or listed
    S3_STORE.delete(f"{bucket}/text")
    S3_STORE.delete(f"{bucket}/text")
    assert "text" not in s3.names()


def test_a_stream_reads_and_seeks_like_a_file(s3: S3) -> None:
    url = s3.put("large", CONTENT)
    s3.proxy.requests.clear()
    with S3_STORE.open(url) as stream, io.BytesIO(CONTENT) as file:
        assert (stream.readable(), stream.seekable(), stream.writable()) == (True, True, False)
        for offset, whence in [(0, 0), (500, 1), (-70_000, 2), (3, 0), (10_000_000, 0), (9, 2)]:
            assert stream.seek(offset, whence) == file.seek(offset, whence)
            assert stream.read(200_000) == file.read(200_000)  # as much as is there
            assert stream.tell() == file.tell()
        with pytest.raises(OSError, match="Invalid argument"):
            stream.seek(-1)
        assert stream.seek(0) == 0
        assert stream.read(-1) == CONTENT
    sizes = [
        int(end) - int(begin) + 1
        for _, _, asked in s3.proxy.requests
        if (found := re.fullmatch(r"bytes=(\d+)-(\d+)", asked))
        for begin, end in [found.groups()]
    ]
    assert min(sizes) < 100_000  # the end of the object
    assert 2**22 < max(sizes) <= _LARGEST_BLOCK


def test_nothing_is_read_far_behind_what_is_wanted(s3: S3) -> None:
    url = s3.put("large", CONTENT)
    s3.proxy.requests.clear()
    with S3_STORE.open(url, until=5_000_000) as stream:
        assert stream.read(5_000_000) == CONTENT[:5_000_000]
        assert stream.read(10) == CONTENT[5_000_000:5_000_010]  # a line that ends behind it
    ends = [int(asked.split("-")[1]) for _, _, asked in s3.proxy.requests if asked]
    assert ends[-2] == 4_999_999
    assert ends[-1] < 5_200_000


SLOW_DOWN, BROKEN = status(503, "SlowDown"), status(500, "InternalError")


@pytest.mark.parametrize(
    ("method", "act"),
    [
        ("GET", BROKEN),
        ("GET", SLOW_DOWN),
        ("GET", cut),
        ("GET", status(404, "NoSuchKey")),  # it was listed, so it is somewhere
        ("GET", status(500)),
        ("HEAD", status(500)),
        ("HEAD", status(404)),
    ],
)
def test_a_stream_goes_on_where_it_was(
    s3: S3, caplog: pytest.LogCaptureFixture, method: str, act: object
) -> None:
    url = s3.put("large", CONTENT[:3_000_000])
    with S3_STORE.open(url, is_listed=True) as stream:
        pieces = [stream.read(400_000)]
        s3.proxy.fail("GET", "large", BROKEN)  # so that it is opened anew
        s3.proxy.fail(method, "large", act, times=2)
        while piece := stream.read(400_000):
            pieces.append(piece)
    assert b"".join(pieces) == CONTENT[:3_000_000]
    assert len(s3.waits) == 3
    assert all(0.25 * 2**n <= wait <= 0.5 * 2**n for n, wait in enumerate(s3.waits))
    assert f"reading from byte 400,000 of {url} failed (" in caplog.text
    assert "tried again in " in caplog.text


def test_an_object_that_was_replaced_is_noticed(s3: S3) -> None:
    url = s3.put("large", CONTENT)
    with S3_STORE.open(url) as stream:
        assert stream.read(10) == CONTENT[:10]
        s3.put("large", CONTENT[:-1] + b"x")
        with pytest.raises(ReplacedError, match=f"{url} was replaced while it was read"):
            stream.read(-1)


def test_a_listing_that_lags_is_asked_for_again(s3: S3) -> None:
    expected = urls(s3.bucket, "a.txt", "b.txt")
    for name in ("a.txt", "b.txt"):
        s3.put(name, b"text")
    for times in (1, 2):
        s3.proxy.fail("GET", LISTING, unlisted("a.txt"), times=times)
        found = [entry.url for entry in S3_STORE.find(f"{s3.bucket}/*.txt")]
        assert found == (expected if times == 1 else expected[1:])  # twice the same is believed
    number = itertools.count()

    def every_second(answer: Answer) -> Answer:
        return unlisted("a.txt" if next(number) % 2 else "nothing")(answer)

    s3.proxy.acts.clear()
    s3.proxy.fail("GET", LISTING, every_second, times=100)
    with pytest.raises(TryAgainError, match="has other objects than the one before"):
        S3_STORE.find(f"{s3.bucket}/")


def test_what_is_written_is_tried_again(s3: S3, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"content")
    for act in (BROKEN, SLOW_DOWN, cut):
        s3.proxy.fail("PUT", "file", act)
        S3_STORE.upload(path, f"{s3.bucket}/file")
        assert S3_STORE.read(f"{s3.bucket}/file") == b"content"
    assert len(s3.waits) >= 2
    s3.proxy.fail("DELETE", "file", BROKEN)
    S3_STORE.delete(f"{s3.bucket}/file")
    assert s3.names() == []


def test_a_store_out_of_reach_is_one_error(s3: S3, caplog: pytest.LogCaptureFixture) -> None:
    url = s3.put("a", b"text")
    s3.proxy.fail("HEAD", "a", SLOW_DOWN, times=100)
    with pytest.raises(TryAgainError, match=rf"looking at {url} failed 8 times: ") as caught:
        S3_STORE.entry(url)
    assert "run the same command again" in caught.value.hint
    assert len(s3.waits) == 7
    assert max(s3.waits) <= 30
    assert caplog.text.count("tried again") == 7


@pytest.fixture
def fresh(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """For other settings of the store than those of the session."""
    monkeypatch.setattr(store, "file_system", cache(libraries.file_system.__wrapped__))
    return monkeypatch


def test_nobody_listens(s3: S3, fresh: pytest.MonkeyPatch) -> None:
    fresh.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    with pytest.raises(TryAgainError, match="Could not connect to the endpoint"):
        S3_STORE.entry(f"{s3.bucket}/a")
    assert len(s3.waits) == 7


@pytest.mark.parametrize("scheme", ["s3", "gs", "az", "http"])
def test_somebody_listens_and_never_answers(s3: S3, fresh: pytest.MonkeyPatch, scheme: str) -> None:
    """The libraries neither wait for minutes nor try again themselves."""
    fresh.setattr(faults, "READ_TIMEOUT", 0.05)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        host = f"127.0.0.1:{silent.getsockname()[1]}"
        fresh.setenv("AWS_ENDPOINT_URL", f"http://{host}")
        fresh.setenv("STORAGE_EMULATOR_HOST", f"http://{host}")
        fresh.setitem(importlib.import_module("fsspec.config").conf, "gs", {"token": "anon"})
        account = f"AccountName=a;AccountKey=YWJj;BlobEndpoint=http://{host}/a"
        fresh.setenv("AZURE_STORAGE_CONNECTION_STRING", account)
        url = f"http://{host}/a" if scheme == "http" else f"{scheme}://b/a"
        reason = r"failed 4 times: (Read t|T)imeout|failed 4 times: no answer in time"
        with pytest.raises(TryAgainError, match=reason):
            Store.of(url).entry(url)
        silent.setblocking(False)
        asked = 0
        with suppress(BlockingIOError):
            while True:
                silent.accept()[0].close()
                asked += 1
    assert len(s3.waits) == 3
    assert asked <= 8  # two kinds of questions


@pytest.mark.parametrize("size", [10, 8_000_000])
def test_somebody_listens_and_takes_nothing(s3: S3, fresh: pytest.MonkeyPatch, size: int) -> None:
    """What is sent is given up as well: before it is asked for, and in the midst of it."""
    fresh.setattr(faults, "WRITE_TIMEOUT", 0.3)
    fresh.setattr(faults, "_SLOWEST", 10**9)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        fresh.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{silent.getsockname()[1]}")
        with pytest.raises(TryAgainError, match="failed 4 times: no answer in time"):
            S3_STORE.write("s3://b/a", bytes(size))
    assert len(s3.waits) == 3


def test_a_store_may_think_longer_after_it_was_sent_something(
    s3: S3, fresh: pytest.MonkeyPatch
) -> None:
    def late(answer: Answer) -> Answer:
        time.sleep(0.5)
        return answer

    fresh.setenv("AWS_ENDPOINT_URL", s3.proxy.url)
    fresh.setattr(faults, "READ_TIMEOUT", 0.2)
    s3.proxy.fail("PUT", "file", late)
    S3_STORE.write(f"{s3.bucket}/file", b"content")
    assert s3.waits == []
    s3.proxy.fail("GET", "file", late)
    assert S3_STORE.read(f"{s3.bucket}/file") == b"content"
    assert len(s3.waits) == 1


def test_what_the_user_tells_the_library_goes_before_ours(
    s3: S3, fresh: pytest.MonkeyPatch
) -> None:
    told = {"config_kwargs": {"user_agent_extra": "mine", "read_timeout": 7}, "max_concurrency": 5}
    fresh.setitem(importlib.import_module("fsspec.config").conf, "s3", told)
    s3.put("a", b"text")
    files = S3_STORE._files
    settings = files.s3._client_config
    assert (settings.read_timeout, settings.connect_timeout) == (7, faults.CONNECT_TIMEOUT)
    assert settings.retries["total_max_attempts"] == 1
    assert settings.user_agent_extra == "mine"
    assert files.max_concurrency == 5


@pytest.mark.parametrize(
    "secret", [{"AWS_ACCESS_KEY_ID": "wrong-key-id"}, {"AWS_CONFIG_FILE": "/dev/null",
               "AWS_SHARED_CREDENTIALS_FILE": "/dev/null"}]
)  # fmt: skip
def test_refused_credentials_are_not_tried_again(
    s3: S3, fresh: pytest.MonkeyPatch, tmp_path: Path, secret: dict[str, str]
) -> None:
    url = s3.put("a", b"text")
    fresh.setenv("AWS_ENDPOINT_URL", s3.proxy.url)
    fresh.setenv("AWS_SECRET_ACCESS_KEY", SECRET) if "AWS_ACCESS_KEY_ID" in secret else None
    for name, value in secret.items():
        fresh.setenv(name, value)
    store.file_system.cache_clear()
    path = tmp_path / "a"
    path.write_bytes(b"other")
    for act, error in [
        (lambda: S3_STORE.entry(url), InputMissingError),
        (lambda: S3_STORE.find(f"{s3.bucket}/*"), InputMissingError),
        (lambda: S3_STORE.open(url, is_listed=True), InputMissingError),
        (lambda: S3_STORE.upload(path, url), OutputError),
        (lambda: S3_STORE.write(url, b"other"), OutputError),
        (lambda: S3_STORE.delete(url), OutputError),
    ]:
        with pytest.raises(error, match="was refused: ") as caught:
            act()
        assert "set AWS_ACCESS_KEY_ID" in caught.value.hint
        assert SECRET not in str(caught.value.message)
    assert s3.waits == []


def test_what_is_not_there(s3: S3, tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"text")
    gone = "s3://no-such-bucket-anywhere"
    for act, error, url in [
        (S3_STORE.entry, InputMissingError, f"{s3.bucket}/nothing"),
        (S3_STORE.find, InputMissingError, f"{s3.bucket}/nothing"),
        (S3_STORE.open, InputMissingError, f"{s3.bucket}/nothing"),
        (S3_STORE.entry, InputMissingError, f"{gone}/a"),
        (S3_STORE.find, InputMissingError, f"{gone}/a/*.txt"),
        (S3_STORE.find, InputMissingError, f"{gone}/"),
        (lambda url: S3_STORE.write(url, b"a"), OutputError, f"{gone}/a"),
        (lambda url: S3_STORE.upload(path, url), OutputError, f"{gone}/a"),
    ]:
        with pytest.raises(error, match="not found: ") as caught:
            act(url)
        assert url.split("*")[0].rstrip("/") in caught.value.message
    assert s3.waits == []


def test_what_is_missing_to_read_urls(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)

    monkeypatch.setattr(libraries.importlib, "import_module", missing)
    for url, module in [("s3://b/a", "s3fs"), ("hf://a/b", "huggingface_hub")]:
        with pytest.raises(ConfigError, match=f"needs {module}, which is not installed") as caught:
            Store.of(url)
        assert caught.value.hint == "pip install '.[remote]'"
    with pytest.raises(ConfigError, match="no URL of a store: hdfs://b/a"):
        Store.of("hdfs://b/a")


def test_the_web_is_only_read() -> None:
    with pytest.raises(OutputError, match="can only be read"):
        Store("https").write("https://host/a", b"text")


def test_each_process_has_connections_of_its_own(s3: S3) -> None:
    url = s3.put("a", b"text")
    here, there = os.pipe()
    if not (child := os.fork()):  # as some engines fork
        try:
            os.write(there, S3_STORE.read(url))
        finally:
            os._exit(0)
    os.close(there)
    os.waitpid(child, 0)
    with os.fdopen(here, "rb") as answer:
        assert answer.read() == b"text"
