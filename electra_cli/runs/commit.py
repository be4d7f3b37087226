"""The record that makes a folder a checkpoint: what it holds, and how that is checked.

RUN/checkpoints/ckpt-N/state.index, state.data-…   what TensorFlow reads, by the prefix `state`
RUN/checkpoints/ckpt-N/commit.json                 this record
RUN/checkpoints/ckpt-N/evaluation.json             held-out metrics of this step, where needed

The folder is renamed to its name when all of it is on the disk, so a name is never there too early.
"""

from __future__ import annotations

import hashlib
import json
import math
from pathlib import Path
from typing import Any

from pydantic import ConfigDict, Field, ValidationError

from electra_cli.config.values import first_fault
from electra_cli.corpus.shards.manifest import Manifest
from electra_cli.errors import DataError, counted
from electra_cli.files.layout import COMMIT_FILE, EVALUATION_FILE
from electra_cli.files.record import Record

COMMIT_FORMAT_VERSION = 2  # 1 knew no tokenizer_sha256


class _Strict(Record):
    model_config = ConfigDict(strict=True)


class StoredFile(_Strict):
    """Size and checksum of a file."""

    bytes: int
    sha256: str


class Commit(_Strict):
    """What a checkpoint is.

    Attributes:
      format_version: Of this record.
      step: Updates it has seen.
      files: By name, all files that TensorFlow wrote.
      state_sha256: As `training.checkpoints.state` computes it.
      config_sha256: Of all that decides what is learned, see `runs.changes`.
      vocab_sha256: Of the vocabulary.
      tokenizer_sha256: Of vocabulary, case and accents; empty if an older electra wrote it.
      sizes: Of the model, see `modeling.architecture`.
      checksum: Of this record without this key.
    """

    format_version: int = COMMIT_FORMAT_VERSION
    step: int
    files: dict[str, StoredFile] = Field(min_length=1)
    state_sha256: str
    config_sha256: str
    vocab_sha256: str
    tokenizer_sha256: str = ""
    sizes: dict[str, int]
    checksum: str = ""

    def tokenizer_fault(self, manifest: Manifest) -> str | None:
        """How its tokenizer differs from that of a run's data; None if it does not."""
        if self.vocab_sha256 != manifest.vocab.sha256:
            here = manifest.vocab.sha256[:12]
            return f"vocabulary {self.vocab_sha256[:12]} there, {here} here"
        if self.tokenizer_sha256 not in ("", manifest.tokenizer_sha256):
            return f"another casing there, {manifest.tokenizer or manifest.vocab.file} here"
        return None

    def own_checksum(self) -> str:
        """What `checksum` has to be."""
        record = self.model_dump(exclude={"checksum"})
        if not self.tokenizer_sha256:  # an older electra knew no such key
            del record["tokenizer_sha256"]
        content = json.dumps(record, sort_keys=True)
        return hashlib.sha256(content.encode()).hexdigest()


def file_sha256(path: Path) -> str:
    """The hexadecimal SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_commit(folder: Path) -> Commit:
    """Reads a checkpoint's record.

    Raises:
      DataError: A newer version wrote it.
      ValueError: It is damaged; the message begins with the file's name.
      OSError: It cannot be read.
    """
    return parse_commit((folder / COMMIT_FILE).read_bytes(), folder / COMMIT_FILE)


def parse_commit(data: bytes, place: Path | str) -> Commit:
    """`read_commit` for the bytes of a record, and the place from where they are.

    Raises:
      DataError, ValueError: As `read_commit`.
    """
    try:
        content = json.loads(data)
        version = content.get("format_version") if isinstance(content, dict) else None
        if isinstance(version, int) and version > COMMIT_FORMAT_VERSION:
            raise DataError(
                f"{place} has format version {version}; this electra reads up to "
                f"{COMMIT_FORMAT_VERSION}",
                hint="install a newer electra",
            )
        commit = Commit.model_validate(content)
    except ValidationError as error:
        raise ValueError(f"{COMMIT_FILE}: {first_fault(error)}") from error
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{COMMIT_FILE} is no JSON") from error
    if commit.checksum != commit.own_checksum():
        raise ValueError(f"{COMMIT_FILE} was changed: its checksum differs")
    return commit


def fault_of(folder: Path, step: int) -> str | None:
    """What is wrong with a checkpoint; None if every byte is what was written.

    Raises:
      DataError: A newer version wrote it: nobody here can tell.
    """
    try:
        commit = read_commit(folder)
        if commit.step != step:
            return f"{COMMIT_FILE} says step {commit.step}"
        for name, expected in commit.files.items():
            path = folder / Path(name).name  # a record cannot point elsewhere
            size = path.stat().st_size
            if size != expected.bytes:
                return f"{name} has {counted(size, 'byte')}, not {expected.bytes:,}"
            if file_sha256(path) != expected.sha256:
                return f"{name} has another checksum"
    except FileNotFoundError as error:
        return f"{Path(error.filename).name} is missing"
    except OSError as error:
        return f"{Path(error.filename or folder).name} cannot be read: {error.strerror}"
    except ValueError as error:
        return str(error)
    return None


def evaluated_metric(folder: Path, name: str) -> float | None:
    """A held-out metric of a checkpoint; None if it was not evaluated or is no finite number."""
    try:
        value: Any = json.loads((folder / EVALUATION_FILE).read_bytes())["metrics"][name]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number and math.isfinite(value) else None
