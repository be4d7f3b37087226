"""Prepared data on its way to an object store: what it consists of, and the manifest last.

While it is on its way URL/upload.json tells with their hashes which files are there, so that the
same call sends only the others. Of files that are there a store itself tells no hash of ours.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from electra_cli.corpus.shards.manifest import Manifest
from electra_cli.errors import OutputError, listed
from electra_cli.files.layout import MANIFEST_FILE, UPLOAD_FILE
from electra_cli.files.remote.copying import joined, read_if_there, side_by_side, sizes_in
from electra_cli.files.remote.store import Store

_BETWEEN_RECORDS = 2**30  # bytes that are sent again at most after an interruption

_HINT = "choose another --upload, or delete what is there yourself if it is not needed"


@dataclass(frozen=True)
class _File:
    name: str
    bytes: int
    sha256: str


@dataclass
class Upload:
    """A prepared folder that is to lie at a URL too.

    Attributes:
      url: The folder there.
    """

    url: str
    _sent: dict[str, str] = field(default_factory=dict)  # hashes of what is there, by name

    def check(self, **fields: object) -> None:
        """Finds out early whether the place can be used; call it before anything is prepared.

        Nothing is left there that was not there before.

        Args:
          fields: What is known already of the manifest to come, by name.

        Raises:
          OutputError: Something else lies there, or nobody may write there.
          ElectraError: The store cannot be used or reached.
        """
        there = self._read(MANIFEST_FILE)
        found: dict[str, object] = {}
        with suppress(ValueError, TypeError):  # what is damaged is told when it is sent
            found = dict(json.loads(there or b"{}"))
        for name, value in fields.items():
            if found.get(name, value) != value:
                raise OutputError(
                    f"{self.url} holds other prepared data: its {name.replace('_', ' ')} is "
                    f"{found[name]}, not {value}",
                    hint=_HINT,
                )
        begun = self._read(UPLOAD_FILE)
        self._claim(there)
        if begun is None:
            self._store.delete(joined(self.url, UPLOAD_FILE))

    def send(
        self,
        manifest: Manifest,
        *,
        on_note: Callable[[str], None] = lambda text: None,
        on_progress: Callable[[float], None] = lambda share: None,
    ) -> int:
        """Sends what is not there yet, and the manifest last.

        Args:
          manifest: Of the finished folder.
          on_note: Hears how much there is to send.
          on_progress: Receives the share of that which is there.

        Returns:
          The number of bytes sent, without the manifest's.

        Raises:
          OutputError: Other data lies there, or nobody may write there.
          ElectraError: The store cannot be used or reached.
        """
        content = (manifest.folder / MANIFEST_FILE).read_bytes()
        files = _files_of(manifest)
        there = self._read(MANIFEST_FILE)
        if there == content:
            self._sent = {file.name: file.sha256 for file in files}
        elif there is not None:
            raise OutputError(f"{self.url} holds other prepared data", hint=_HINT)
        sizes = self._claim(there)
        todo = [
            file
            for file in files
            if sizes.get(file.name) != file.bytes or self._sent.get(file.name) != file.sha256
        ]
        total = sum(file.bytes for file in todo)
        if todo:
            on_note(f"copying {len(todo):,} files, {total:,} bytes, to {self.url}")
            self._send(manifest.folder, todo, lambda done: on_progress(done / total))
        if todo or there is None:
            self._store.write(joined(self.url, MANIFEST_FILE), content)
        self._store.delete(joined(self.url, UPLOAD_FILE))
        return total

    def _send(self, folder: Path, files: list[_File], on_bytes: Callable[[int], None]) -> None:
        done = recorded = 0

        def count(file: _File) -> None:
            nonlocal done, recorded
            self._sent[file.name] = file.sha256
            done += file.bytes
            on_bytes(done)
            if done - recorded >= _BETWEEN_RECORDS:
                recorded = done
                self._record()

        def send(file: _File) -> None:
            self._store.upload(folder / file.name, joined(self.url, file.name))

        try:
            side_by_side(send, files, count)
        finally:
            if done > recorded:
                with suppress(Exception):  # another error is on its way, or all are sent
                    self._record()

    def _claim(self, manifest: bytes | None) -> dict[str, int]:
        """Makes sure that the place is free or was begun by an upload, and can be written.

        Returns:
          The sizes of what lies there, by name.
        """
        sizes = sizes_in(self._store, self.url)
        if manifest is None:
            record = self._read(UPLOAD_FILE)
            if record is None and sizes:
                raise OutputError(
                    f"{self.url} holds something else: {listed(sorted(sizes))}", hint=_HINT
                )
            with suppress(ValueError, KeyError, TypeError, AttributeError):
                self._sent = dict(json.loads(record or b"")["files"])
            self._record()
        return sizes

    def _record(self) -> None:
        record = {"format_version": 1, "files": self._sent}
        self._store.write(joined(self.url, UPLOAD_FILE), json.dumps(record).encode() + b"\n")

    def _read(self, name: str) -> bytes | None:
        return read_if_there(self._store, joined(self.url, name))

    @property
    def _store(self) -> Store:
        return Store.of(self.url)


def _files_of(manifest: Manifest) -> list[_File]:
    vocab = manifest.vocab
    size = manifest.vocab_path.stat().st_size
    shards = (_File(shard.file, shard.bytes, shard.sha256) for shard in manifest.shards)
    return [_File(vocab.file, size, vocab.sha256), *shards]
