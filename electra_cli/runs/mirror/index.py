"""URL/mirror.json: which run a mirror is of, who writes to it, and what is whole there.

It is read instead of a listing, which may lag behind; whatever it names was there before. RUN/
mirror.json has the same form and says by what the mirror knows the run.
"""

from __future__ import annotations

import json
import os
import secrets
import socket
import time
from collections.abc import Callable, Collection
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TypeVar

from pydantic import Field, ValidationError

from electra_cli.config.values import first_fault
from electra_cli.errors import DataError
from electra_cli.files.layout import (
    BINDINGS_FILE,
    BRANCH_FILE,
    CHANGES_FILE,
    CONFIG_FILE,
    DATA_FOLDER,
    MANIFEST_FILE,
    MIRROR_FILE,
)
from electra_cli.files.record import Record
from electra_cli.files.remote.copying import joined, read_if_there
from electra_cli.files.remote.faults import MOST_TRIES
from electra_cli.files.remote.store import Store
from electra_cli.files.remote.stream import ReplacedError

T = TypeVar("T")

FORMAT_VERSION = 1

NEEDED = (
    BINDINGS_FILE,
    BRANCH_FILE,
    CHANGES_FILE,
    f"{DATA_FOLDER}/{MANIFEST_FILE}",
    CONFIG_FILE,
)
"""What a run reads where it goes on from a checkpoint: without it, it would end with an error or
become another run. The configuration is last: with it a folder is a run. All else is a record of
what was, and is begun again where it is missing."""


class Writer(Record):
    """A process that writes to a mirror.

    Attributes:
      token: Tells it from all others.
      host: Its machine.
      pid: Its number there.
      started: When it began.
    """

    token: str
    host: str
    pid: int
    started: str

    @classmethod
    def here(cls) -> Writer:
        """This process."""
        now = time.strftime("%Y-%m-%dT%H:%M:%S%z")
        return cls(
            token=secrets.token_hex(16), host=socket.gethostname(), pid=os.getpid(), started=now
        )

    def __str__(self) -> str:
        return f"host {self.host}, pid {self.pid}, started {self.started}"


class Index(Record):
    """What a mirror holds.

    Attributes:
      format_version: Of this record.
      run: By what the run is known.
      writer: Who writes to it; None in a run folder.
      checkpoints: By their steps, the names of the files of those that are whole.
      best: The step of the best of them; None if none is to stay for that.
      files: Other files of the run, by their names in its folder.
    """

    format_version: int = FORMAT_VERSION
    run: str = Field(default_factory=lambda: secrets.token_hex(16), min_length=1)
    writer: Writer | None = None
    checkpoints: dict[int, list[str]] = Field(default_factory=dict)
    best: int | None = None
    files: list[str] = Field(default_factory=list)

    @property
    def newest(self) -> int | None:
        """The step of the newest checkpoint that is whole."""
        return max(self.checkpoints, default=None)

    def without(self, steps: Collection[int], files: Collection[str] = ()) -> Index:
        """The same without some checkpoints and files."""
        whole = {step: names for step, names in self.checkpoints.items() if step not in steps}
        best = self.best if self.best in whole else None
        others = [name for name in self.files if name not in files]
        return self.model_copy(update={"checkpoints": whole, "best": best, "files": others})

    def to_bytes(self) -> bytes:
        """The content of the file."""
        return self.model_dump_json(indent=1).encode() + b"\n"

    def write(self, store: Store, url: str) -> None:
        """Writes it into the mirror at a URL."""
        store.write(joined(url, MIRROR_FILE), self.to_bytes())


def read_index(store: Store, url: str) -> Index | None:
    """Reads the index of the mirror at a URL; None if there is none.

    Raises:
      DataError: It is damaged, or a newer version wrote it.
      ElectraError: The store cannot be read.
    """
    place = joined(url, MIRROR_FILE)
    content = read_again(partial(read_if_there, store, place))
    return None if content is None else _parse(place, content)


def read_again(act: Callable[[], T]) -> T:
    """Reads what the writer of a mirror may just be writing: anew where it was replaced meanwhile.

    Args:
      act: Reads an object from its beginning.

    Raises:
      ReplacedError: It is replaced again and again.
    """
    for _ in range(MOST_TRIES - 1):
        with suppress(ReplacedError):
            return act()
    return act()


def read_own(path: Path) -> Index | None:
    """Reads RUN/mirror.json; None for a run that has none.

    Raises:
      DataError: It is damaged, or a newer version wrote it.
      OSError: It cannot be read.
    """
    return _parse(path, path.read_bytes()) if path.is_file() else None


def _parse(place: Path | str, content: bytes) -> Index:
    hint = "name another --mirror, or leave it out"
    try:
        record = json.loads(content)
        version = record.get("format_version") if isinstance(record, dict) else None
        if isinstance(version, int) and version > FORMAT_VERSION:
            raise DataError(
                f"{place} has format version {version}; this electra reads {FORMAT_VERSION}",
                hint="install a newer electra",
            )
        return Index.model_validate(record)
    except ValidationError as error:
        raise DataError(f"{place} is damaged: {first_fault(error)}", hint=hint) from error
    except (ValueError, RecursionError) as error:
        raise DataError(f"{place} is no JSON: {error}", hint=hint) from error
