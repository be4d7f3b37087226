"""Prepared data in an object store, and its copy in the user's cache.

CACHE/data-SHA256/source.json   from where it was copied
CACHE/data-SHA256/.NAME.part    a file that is being copied
CACHE/data-SHA256/manifest.json and what it lists; written last

The folder is called after the manifest, which has the hash of every file: whatever lies at the same
URL later, the copy that a run began with stays as it is. The vocabulary may lie there before the
rest: the manifest and it are all that is copied of data which is then found not to fit.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from electra_cli.corpus.shards.manifest import Manifest, file_faults, parse_manifest
from electra_cli.errors import DataError, IOFailedError, OutputError, TryAgainError, counted
from electra_cli.files.atomic import (
    DISK_IS_FULL,
    atomic_write_bytes,
    atomic_write_text,
    locked_folder,
    named_if_full,
)
from electra_cli.files.layout import MANIFEST_FILE, SOURCE_FILE, cached_data_name
from electra_cli.files.redaction import redacted
from electra_cli.files.remote.copying import Copied, fetch_all, is_inside, joined
from electra_cli.files.remote.faults import NotFoundError
from electra_cli.files.remote.place import is_url
from electra_cli.files.remote.store import Store

_HINT = "--cache-dir FOLDER names another place"


@dataclass(frozen=True)
class RemoteData:
    """Prepared data at a URL.

    Attributes:
      url: Its folder.
      content: The bytes of its manifest.
      manifest: What they say, as if it lay in the copy.
    """

    url: str
    content: bytes
    manifest: Manifest

    @classmethod
    def at(cls, url: str, cache: Path) -> RemoteData:
        """Reads the manifest at a URL; nothing is written.

        Args:
          url: A folder that `electra prepare-data --upload` has written.
          cache: The folder in which copies lie, there or not.

        Raises:
          InputMissingError: There is no manifest, or nobody may read it.
          DataError: It is damaged, or a newer version wrote it.
          ElectraError: The store cannot be used or reached.
        """
        store, place = Store.of(url), joined(url, MANIFEST_FILE)
        try:
            content = store.read(place)
        except NotFoundError as error:
            error.hint = f"`electra prepare-data --upload URL` writes such a folder; {error.hint}"
            raise
        folder = cache / cached_data_name(hashlib.sha256(content).hexdigest())
        manifest = parse_manifest(place, content, folder)
        for name in (manifest.vocab.file, *(shard.file for shard in manifest.shards)):
            if not is_inside(name):
                raise DataError(
                    f"{place} lists {name!r}, which is no name of a file in its folder",
                    hint="prepare the data again and upload it",
                )
        return cls(url, content, manifest)

    @property
    def folder(self) -> Path:
        """Where its copy is, or will be."""
        return self.manifest.folder

    @property
    def bytes(self) -> int:
        """The size of its shards."""
        return sum(shard.bytes for shard in self.manifest.shards)

    @property
    def is_there(self) -> bool:
        """Whether the copy is whole: each file was compared with its hash when it was copied."""
        copy = self.folder / MANIFEST_FILE
        is_whole = copy.is_file() and copy.read_bytes() == self.content
        return is_whole and not file_faults(self.manifest)

    def fetch_vocabulary(self, *, on_note: Callable[[str], None] = lambda text: None) -> None:
        """Copies the vocabulary alone: with it all can be checked that needs no row.

        Args:
          on_note: Hears that another process is waited for.

        Raises:
          ElectraError: As `fetch` does.
        """
        if file_faults(self.manifest, of_shards=False):
            with self._writing(on_note):
                self._vocabulary().fetch(Store.of(self.url))

    def fetch(
        self,
        *,
        on_progress: Callable[[float], None] = lambda share: None,
        on_note: Callable[[str], None] = lambda text: None,
    ) -> None:
        """Copies what is missing, from where an earlier try has ended.

        Processes that come at the same time wait for the first.

        Args:
          on_progress: Receives the share that is there.
          on_note: Hears that another process is waited for.

        Raises:
          DataError: A file there is not what the manifest says.
          OutputError: The cache cannot be written.
          IOFailedError: Its disk has no room.
          ElectraError: The store cannot be read.
        """
        with self._writing(on_note):
            if not self.is_there:
                with named_if_full(self.folder, self._needed, hint=_HINT):
                    self._fetch(on_progress)

    def name_source(self) -> None:
        """Writes into the copy that it is of this URL; it may have been copied from another."""
        text = json.dumps(redacted({"url": self.url})) + "\n"
        with suppress(OSError):  # others may keep the cache, and it is a remark
            atomic_write_text(self.folder / SOURCE_FILE, text)

    @contextmanager
    def _writing(self, on_note: Callable[[str], None]) -> Iterator[None]:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with self._alone(on_note):
                yield
        except OSError as error:
            message = f"cannot write to the cache folder {self.folder}: {error.strerror}"
            kind = IOFailedError if error.errno in DISK_IS_FULL else OutputError
            raise kind(message, hint=_HINT) from error

    @contextmanager
    def _alone(self, on_note: Callable[[str], None]) -> Iterator[None]:
        with ExitStack() as stack:
            try:
                stack.enter_context(locked_folder(self.folder))
            except TryAgainError:
                on_note(f"another process is copying {self.url} to {self.folder}: waiting for it")
                stack.enter_context(locked_folder(self.folder, wait=True))
            yield

    def _fetch(self, on_progress: Callable[[float], None]) -> None:
        store, vocabulary = Store.of(self.url), self._vocabulary()
        files = [vocabulary, *self._shards()]
        needed, free = sum(file.missing for file in files), shutil.disk_usage(self.folder).free
        if needed > free:
            raise IOFailedError(
                f"{self.folder} has {free:,} bytes free, and {needed:,} more are to be copied "
                f"from {self.url}",
                hint=f"free some space, or {_HINT}",
            )
        self.name_source()
        total = self.bytes + vocabulary.bytes
        fetch_all(store, files, lambda done: on_progress(done / total))
        atomic_write_bytes(self.folder / MANIFEST_FILE, self.content)

    def _vocabulary(self) -> Copied:
        path, vocab = self.manifest.vocab_path, self.manifest.vocab
        if file_faults(self.manifest, of_shards=False):
            path.unlink(missing_ok=True)
        place = joined(self.url, vocab.file)
        return Copied(place, path, Store.of(self.url).entry(place).size, vocab.sha256)

    def _shards(self) -> list[Copied]:
        return [
            Copied(joined(self.url, one.file), self.folder / one.file, one.bytes, one.sha256)
            for one in self.manifest.shards
        ]

    def _needed(self) -> str:
        left = sum(file.missing for file in self._shards())
        return f"{counted(left, 'byte')} of {self.url} are still to be copied"


def source_of(folder: Path) -> str | None:
    """The URL from which a folder's data was copied, passwords as ***; None if that is not known.

    Args:
      folder: A copy, or RUN/data of a run that was trained on one.
    """
    with suppress(OSError, ValueError, KeyError, TypeError):
        if is_url(url := str(json.loads((folder / SOURCE_FILE).read_bytes())["url"])):
            return url
    return None
