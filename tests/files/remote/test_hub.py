"""hf://, over a Hub on loopback: what is found and read, what is tried again, and no token told."""

from __future__ import annotations

import importlib
import socket
from collections.abc import Iterator
from functools import cache

import pytest

from electra_cli.errors import InputMissingError, TryAgainError
from electra_cli.files.remote import faults, libraries, store
from electra_cli.files.remote.store import Store
from tests.hub import TOKEN, URL, Hub, running

HUB = Store("hf")


@pytest.fixture
def hub() -> Iterator[Hub]:
    """A private dataset."""
    with running() as found:
        yield found


@pytest.fixture
def waits(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Leads the library to the Hub; the seconds that were waited between tries, none really."""
    found: list[float] = []
    monkeypatch.setattr(faults, "pause", found.append)
    monkeypatch.setattr(store, "file_system", cache(libraries.file_system.__wrapped__))
    conf = importlib.import_module("fsspec.config").conf
    monkeypatch.setitem(conf, "hf", {"endpoint": hub.endpoint})
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    return found


@pytest.mark.usefixtures("waits")
def test_what_is_found_and_read(hub: Hub) -> None:
    names = ["README.md", "data/a.jsonl.gz", "data/b.jsonl.gz", "data/deep/c.txt"]
    hub.files = {name: name.encode() * 100_000 for name in names}

    def found(name: str) -> list[str]:
        return [entry.url.removeprefix(URL) for entry in HUB.find(f"{URL}{name}")]

    assert found("/data/*.gz") == ["/data/a.jsonl.gz", "/data/b.jsonl.gz"]
    assert found("@main/data/*.gz") == ["@main/data/a.jsonl.gz", "@main/data/b.jsonl.gz"]
    assert found("/data/a.jsonl.gz") == ["/data/a.jsonl.gz"]
    assert found("/data") == found("/data/") == [f"/{name}" for name in names[1:]]
    assert found("/**/*.txt") == ["/data/deep/c.txt"]
    assert found("") == [f"/{name}" for name in names]
    assert found("/*.pdf") == []
    content = hub.files["data/a.jsonl.gz"]
    assert HUB.read(f"{URL}/data/a.jsonl.gz") == content
    assert HUB.read(f"{URL}@main/data/a.jsonl.gz", 500_000, 70) == content[500_000:500_070]
    one = HUB.entry(f"{URL}/data/a.jsonl.gz")
    hub.files["data/a.jsonl.gz"] = content[::-1]
    assert HUB.entry(f"{URL}/data/a.jsonl.gz").etag != one.etag


def test_only_we_try_again(
    hub: Hub, waits: list[float], caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture
) -> None:
    hub.files = {"a.txt": b"text"}
    hub.failures = [503, 429]
    assert HUB.read(f"{URL}/a.txt") == b"text"
    assert len(waits) == 2
    for act in (HUB.entry, HUB.read, HUB.find):
        hub.requests.clear()
        hub.failures = [500] * 100
        with pytest.raises(TryAgainError, match=f"{URL}/a.txt failed 8 times: "):
            act(f"{URL}/a.txt")
        assert len(hub.requests) == 8
    hub.failures = []
    assert capfd.readouterr() == ("", "")  # our own warnings are records
    assert "tried again in" in caplog.text


def test_no_answer(waits: list[float], monkeypatch: pytest.MonkeyPatch) -> None:
    constants = importlib.import_module("huggingface_hub.constants")
    monkeypatch.setattr(faults, "READ_TIMEOUT", 0.1)
    monkeypatch.setattr(constants, "HF_HUB_ETAG_TIMEOUT", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        endpoint = f"http://127.0.0.1:{silent.getsockname()[1]}"
        conf = importlib.import_module("fsspec.config").conf
        monkeypatch.setitem(conf, "hf", {"endpoint": endpoint})
        files = libraries.file_system.__wrapped__("hf", 0)
        with pytest.raises(TryAgainError, match="failed 4 times: "):
            HUB.entry(f"{URL}/a.txt")
        with pytest.raises(Exception, match="timed out"):  # for it the library has no limit
            list(files._api.list_repo_tree("electra/texts", repo_type="dataset"))
    assert len(waits) == 3


@pytest.mark.usefixtures("waits")
def test_what_cannot_be_had(
    hub: Hub, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    hub.files = {"a.txt": b"text"}
    for url in (f"{URL}/b.txt", f"{URL}@other/a.txt", "hf://datasets/electra/none/a.txt"):
        with pytest.raises(InputMissingError, match=f"not found: {url}") as caught:
            HUB.entry(url)
        assert "upper and lower case" in caught.value.hint
    for token in ("hf_aWrongSecret", "hf_aWröngSecret", ""):
        monkeypatch.setenv("HF_TOKEN", token)
        with pytest.raises(InputMissingError) as caught:
            HUB.entry(f"{URL}/a.txt")
        assert "HF_TOKEN" in caught.value.hint
        assert "Secret" not in caught.value.message
    assert "Secret" not in caplog.text
    hub.is_private = False
    assert HUB.entry(f"{URL}/a.txt").size == 4
