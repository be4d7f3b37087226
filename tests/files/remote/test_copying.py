"""Objects become files that are whole or not there, whatever the store does."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from electra_cli.errors import DataError, ElectraError, TryAgainError
from electra_cli.files.remote.copying import (
    Copied,
    fetch_all,
    is_inside,
    joined,
    read_if_there,
    side_by_side,
    sizes_in,
)
from electra_cli.files.remote.store import Store
from tests.s3 import S3, cut, status

CONTENT = bytes(range(256)) * 8192  # two megabytes
STORE = Store("s3")


def copied(s3: S3, path: Path, content: bytes = CONTENT, *, of: bytes = CONTENT) -> Copied:
    url = s3.put("a", content)
    s3.proxy.requests.clear()
    return Copied(url, path, len(of), hashlib.sha256(of).hexdigest())


def ranges(s3: S3) -> list[str]:
    return [found for method, _, found in s3.proxy.requests if method == "GET"]


@pytest.mark.parametrize(
    ("part", "begins", "heard"),
    [
        (None, 0, len(CONTENT)),
        (CONTENT[:700_000], 700_000, len(CONTENT)),
        (CONTENT, None, len(CONTENT)),
        (b"of a former object", 0, len(CONTENT)),
        (CONTENT + b"more", 0, len(CONTENT)),
    ],
    ids=["new", "resumed", "all but its name", "another", "longer"],
)
def test_from_where_an_earlier_try_has_ended(
    s3: S3, tmp_path: Path, part: bytes | None, begins: int | None, heard: int
) -> None:
    file = copied(s3, tmp_path / "a")
    if part is not None:
        (tmp_path / ".a.part").write_bytes(part)
    s3.proxy.fail("GET", "a", cut, 2)
    counts: list[int] = []
    assert file.missing == max(0, len(CONTENT) - len(part or b""))
    file.fetch(STORE, counts.append)
    assert (tmp_path / "a").read_bytes() == CONTENT
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
    assert sum(counts) == heard
    if begins is None:
        assert ranges(s3) == []
    else:
        assert any(one.startswith(f"bytes={begins}-") for one in ranges(s3))
    if part == CONTENT[:700_000]:
        assert not any(one.startswith("bytes=0-") for one in ranges(s3))
    s3.proxy.requests.clear()
    file.fetch(STORE)
    assert s3.proxy.requests == []


@pytest.mark.parametrize("content", [CONTENT[:-1], CONTENT[:-1] + b"?", b""])
def test_an_object_that_is_not_what_it_should_be(s3: S3, tmp_path: Path, content: bytes) -> None:
    file = copied(s3, tmp_path / "a", content, of=CONTENT)
    with pytest.raises(DataError, match="is not what its folder says"):
        file.fetch(STORE)
    assert list(tmp_path.iterdir()) == []


def test_side_by_side(s3: S3, tmp_path: Path) -> None:
    """The first that fails ends them all; what is there stays, and the next call goes on."""
    files = [
        Copied(
            s3.put(f"x/{number}", CONTENT),
            tmp_path / str(number),
            len(CONTENT),
            hashlib.sha256(CONTENT).hexdigest(),
        )
        for number in range(6)
    ]
    s3.proxy.fail("GET", "x/3", status(500, "InternalError"), 100)
    heard: list[int] = []
    with pytest.raises(TryAgainError, match=r"x/3 failed 8 times"):
        fetch_all(STORE, files, heard.append)
    assert not (tmp_path / "3").exists()
    s3.proxy.acts.clear()
    s3.proxy.requests.clear()
    there = {path.name for path in tmp_path.iterdir() if not path.name.startswith(".")}
    fetch_all(STORE, files, heard.append)
    assert heard[-1] == 6 * len(CONTENT)
    assert all(file.path.read_bytes() == CONTENT for file in files)
    assert not any(s3.proxy.asked("GET", f"x/{name}") for name in there)
    assert sizes_in(STORE, joined(s3.bucket, "x")) == {str(n): len(CONTENT) for n in range(6)}
    assert sizes_in(STORE, joined(s3.bucket, "nothing/")) == {}
    assert read_if_there(STORE, joined(s3.bucket, "nothing")) is None
    with pytest.raises(ElectraError, match="first"):
        side_by_side(_fail, ["first"])


def _fail(name: str) -> None:
    raise ElectraError(name)


@pytest.mark.parametrize(
    ("name", "is_it"),
    [
        ("a.npy", True),
        ("data/vocab.txt", True),
        ("", False),
        ("/etc/passwd", False),
        ("../a", False),
        ("a/../../b", False),
        ("a/.b", False),
        (".lock.json", False),
    ],
)
def test_names_of_a_record_from_elsewhere(name: str, is_it: bool) -> None:
    assert is_inside(name) is is_it
