"""Prepared data on its way to an object store: what it consists of, and the manifest last.

While it is on its way URL/upload.json tells with their hashes which files are there, so that the
same call sends only the others. Of files that are there a store itself tells no hash of ours.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from operator import attrgetter
from pathlib import Path

from electra_cli.corpus.shards.manifest import Manifest, parse_manifest, read_manifest
from electra_cli.errors import DataError, ElectraError, OutputError, listed
from electra_cli.files.layout import MANIFEST_FILE, UPLOAD_FILE
from electra_cli.files.remote.copying import joined, read_if_there, side_by_side, sizes_in
from electra_cli.files.remote.store import Store

_BETWEEN_RECORDS = 2**30  # bytes that are sent again at most after an interruption

# What tells the manifests of two prepared folders apart, as far as people know it.
_TELLING = ("sequence_length", "packing", "seed", "validation_fraction", "tokenizer", "vocab.kind",
            "vocab.sha256", "examples")  # fmt: skip
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

    def check(self, finished: Path | None = None, /, **fields: object) -> None:
        """Finds out early whether the place can be used; call it before anything is prepared.

        Nothing is left there that was not there before.

        Args:
          finished: The folder that is to be sent; it may have its manifest already.
          fields: What is known of the manifest to come, by name; vocab.sha256 is one too.

        Raises:
          OutputError: Something else lies there, or nobody may write there.
          ElectraError: The store cannot be used or reached.
        """
        there = self._read(MANIFEST_FILE)
        if there is not None:
            own = None
            with suppress(ElectraError):  # it is not finished
                own = finished and read_manifest(finished)
            if own and (own.folder / MANIFEST_FILE).read_bytes() != there:
                raise self._other(there, manifest=own)
            with suppress(DataError):  # what is damaged is told when it is sent
                found = self._parsed(there)
                for name, value in fields.items():
                    if attrgetter(name)(found) != value:
                        raise self._differs(name, attrgetter(name)(found), value)
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
            raise self._other(there, manifest=manifest)
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
            others = sizes.keys() - {UPLOAD_FILE}  # which another task may have put there meanwhile
            if record is None and others:
                raise OutputError(
                    f"{self.url} holds something else: {listed(sorted(others))}", hint=_HINT
                )
            with suppress(ValueError, KeyError, TypeError, AttributeError):
                self._sent = dict(json.loads(record or b"")["files"])
            self._record()
        return sizes

    def _parsed(self, content: bytes) -> Manifest:
        return parse_manifest(joined(self.url, MANIFEST_FILE), content, Path())

    def _other(self, content: bytes, *, manifest: Manifest) -> OutputError:
        """The error for a place with another manifest; it names the first difference."""
        with suppress(DataError):
            found = self._parsed(content)
            for name in _TELLING:
                there, here = attrgetter(name)(found), attrgetter(name)(manifest)
                if there != here:
                    return self._differs(name, there, here)
        return OutputError(f"{self.url} holds other prepared data", hint=_HINT)

    def _differs(self, name: str, there: object, here: object) -> OutputError:
        what = " ".join(re.split(r"[._]", name))
        if name.endswith("sha256"):
            there, here = str(there)[:12], str(here)[:12]
        return OutputError(
            f"{self.url} holds other prepared data: its {what} is {there}, not {here}", hint=_HINT
        )

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
