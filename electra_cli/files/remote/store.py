"""Object stores, all by one interface: s3://, gs://, az://, hf:// and https://.

The protocols are those of fsspec's libraries; see libraries.py.
"""

from __future__ import annotations

import importlib
import os
import re
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from electra_cli.errors import ConfigError, InputMissingError, OutputError, TryAgainError
from electra_cli.files.remote import faults
from electra_cli.files.remote.faults import again, shown, wait_before
from electra_cli.files.remote.libraries import check_installed, file_system
from electra_cli.files.remote.place import READ_FROM, check_user, is_pattern, is_url, root_of
from electra_cli.files.remote.stream import Entry, Stream

__all__ = ["Entry", "Store", "is_pattern", "is_url", "side_by_side"]

Item = TypeVar("Item")
Result = TypeVar("Result")

# What stores call that which changes with the content: hashes of it first, which copies keep.
_TAGS = ("md5Hash", "xet_hash", "blob_id", "ETag", "etag", "Content-MD5", "Digest", "Last-Modified")
_AT_ONCE = 16


@dataclass(frozen=True)
class Store:
    """All objects under one scheme, whatever their bucket.

    What fails is tried again with growing waits, and said on stderr. Whatever method, it raises
    InputMissingError for what is not there or refused (OutputError where it writes), and
    TryAgainError for a store that stays out of reach.
    """

    scheme: str

    @staticmethod
    def of(url: str) -> Store:
        """The store of a URL.

        Raises:
          ConfigError: Its scheme is unknown, it has a password, or what knows it is not installed.
        """
        if not is_url(url):
            raise ConfigError(
                f"no URL of a store: {shown(url)}", hint=f"it begins with {READ_FROM}"
            )
        check_user(url)
        scheme = url.partition(":")[0]
        check_installed(scheme)
        return Store(scheme)

    def entry(self, url: str, *, is_listed: bool = False) -> Entry:
        """What an object is now.

        Args:
          url: The object.
          is_listed: Whether a listing has named it: that it is not found passes.
        """
        return again(partial(self._entry, url), "looking at", url, is_listed=is_listed)

    def find(self, url: str) -> list[Entry]:
        """The objects that a URL stands for, in order: one, all of a folder, or all that fit.

        A folder or pattern is listed until two listings in a row are the same, since one that lags
        behind would leave objects out.

        Args:
          url: An object, a folder, or a pattern; ** stands for folders too. A folder that fits a
            pattern without ** stands for all in it. What is called as the pattern is written, as
            a[1].txt may be, comes first, as on a disk.
        """
        fits = is_pattern(url)
        if fits or not url.endswith("/"):
            try:
                info = again(partial(self._info, url), "looking at", url)
                if info["type"] != "directory":
                    return [self._entry_of(url, info)]
                fits = False
            except InputMissingError:
                if not fits:
                    raise
        listing = partial(again, partial(self._listing, url, fits=fits), "listing", url)
        before = listing()
        for number in range(1, faults.MOST_TRIES + 1):
            found = listing()
            if found.keys() == before.keys():
                return [
                    self.entry(name, is_listed=True) if size is None else Entry(name, size, tag)
                    for name, (size, tag) in sorted(found.items())
                ]
            before = found
            faults.pause(wait_before(number))
        raise TryAgainError(
            f"each listing of {shown(url)} has other objects than the one before",
            hint="run the same command again once nobody adds or deletes objects there",
        )

    def open(self, url: str, *, until: int | None = None, is_listed: bool = False) -> Stream:
        """An object as a raw stream that reads and seeks; see `Stream`.

        Args:
          url: The object.
          until: Where reading is going to end, if that is known.
          is_listed: Whether a listing has named it: that it is not found passes.
        """
        return Stream(url, partial(self._opened, url), until=until, is_listed=is_listed)

    def read(self, url: str, start: int = 0, length: int = -1) -> bytes:
        """Bytes of an object, to its end by default."""
        with self.open(url) as stream:
            stream.seek(start)
            return stream.read(length) or b""

    def upload(self, path: Path, url: str) -> None:
        """Copies a file to an object, which is there whole or not at all."""

        def put() -> None:
            expected = path.stat().st_size
            self._send("put_file", str(path), self._path(url), size=expected)
            size = self._entry(url).size
            if size != expected:
                raise OSError(f"{size:,} bytes have arrived of {expected:,}")

        self._write(put, f"copying {path} to", url)

    def write(self, url: str, data: bytes) -> None:
        """Makes an object of bytes."""

        def pipe() -> None:
            self._send("pipe_file", self._path(url), data, size=len(data))

        self._write(pipe, "writing", url)

    def delete(self, url: str) -> None:
        """Deletes an object, if it is there."""

        def delete() -> None:
            try:
                self._files.rm_file(self._path(url))
            except Exception as error:
                if faults.kind_of(error) != "missing":
                    raise

        self._write(delete, "deleting", url)

    def _write(self, act: Any, what: str, url: str) -> None:
        if self._is_web:
            raise OutputError(
                f"{shown(url)} can only be read",
                hint="write to a store: s3://, gs://, az:// or hf://",
            )
        again(act, what, url, writes=True)

    def _send(self, method: str, *values: Any, size: int) -> None:
        """Calls what sends that many bytes; a store that stops taking them ends it, too."""
        files = self._connected(writes=True)
        # Their own time-outs begin once all is sent.
        limit = {"timeout": faults.send_timeout(size)} if files.async_impl else {}
        getattr(files, method)(*values, **limit)

    @property
    def _is_web(self) -> bool:
        return self.scheme in ("https", "http")

    @property
    def _files(self) -> Any:
        return self._connected()

    def _connected(self, *, writes: bool = False) -> Any:
        # The one for hf:// has a cache, and no lock.
        thread = threading.get_ident() if self.scheme == "hf" else 0
        return file_system(self.scheme, os.getpid(), thread, writes=writes)

    def _path(self, url: str) -> str:
        """What the library calls it."""
        return str(self._files._strip_protocol(url))

    def _info(self, url: str) -> Mapping[str, Any]:
        files = self._files
        files.invalidate_cache()  # of the one library that does not do without
        found: Mapping[str, Any] = files.info(self._path(url))
        return found

    def _entry(self, url: str) -> Entry:
        return self._entry_of(url, self._info(url))

    def _entry_of(self, url: str, info: Mapping[str, Any]) -> Entry:
        if info["type"] == "directory":
            raise FileNotFoundError("it is a folder")
        if info["size"] is None or info.get("partial") is False:
            raise InputMissingError(
                f"the server does not say how large {shown(url)} is, or gives out no parts of it",
                hint="download it and give the file",
            )
        return Entry(url, info["size"], _tag(info))

    def _opened(self, url: str) -> tuple[Any, Entry]:
        files = self._files
        files.invalidate_cache()
        handle = files.open(self._path(url), "rb", cache_type="none")
        details = getattr(handle, "details", None) or {}
        return handle, self._entry_of(url, details) if _tag(details) else self._entry(url)

    def _listing(self, url: str, *, fits: bool) -> dict[str, tuple[int | None, str]]:
        """Size and tag, by URL, of all objects that fit a pattern, or of all in a folder."""
        files, path = self._files, self._path(url)
        files.invalidate_cache()
        # Patterns are ours: the libraries leave folders out that cannot be listed.
        options: dict[str, Any] = {"on_error": "raise"} if self._is_web else {}
        pattern = None
        root = path
        if fits:
            pattern = _pattern(path, also_below="**" not in path)
            root = root_of(path)
            if self.scheme in ("s3", "gs", "az") and (begin := _literal(path[len(root) :])):
                options["prefix"] = begin
        found = files.find(root.rstrip("/"), detail=True, **options)
        return {
            name if self._is_web else f"{self.scheme}://{name}": (
                info["size"],
                _tag(info),
            )
            for name, info in found.items()
            if info["type"] == "file"
            and not name.endswith("/")  # which stands for a folder
            and (pattern is None or pattern.match(name))
        }


def side_by_side(work: Callable[[Item], Result], items: Sequence[Item]) -> Iterator[Result]:
    """Does something with each of several items and hands the results out in order.

    A store takes longer to answer than a disk, but answers many at once.
    """
    pool = ThreadPoolExecutor(_AT_ONCE)
    try:
        yield from pool.map(work, items)
    finally:
        pool.shutdown(cancel_futures=True)


def _pattern(path: str, *, also_below: bool) -> re.Pattern[str]:
    """What fits a pattern, or also lies in a folder that fits."""
    utils = importlib.import_module("fsspec.utils")
    fits = utils.glob_translate(path.rstrip("/")).removesuffix(r"\Z")
    return re.compile(fits + (r"(?:/.*)?\Z" if also_below else r"\Z"), re.DOTALL)


def _literal(pattern: str) -> str:
    """What all that fits a pattern begins with."""
    return re.split(r"[*?\[]", pattern, maxsplit=1)[0]


def _tag(info: Mapping[str, Any]) -> str:
    return next((str(info[name]).strip('"') for name in _TAGS if info.get(name)), "")
