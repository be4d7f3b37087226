"""Which files a command's inputs stand for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from electra_cli.errors import DataError, InputMissingError

ENDINGS = (".txt", ".jsonl", ".txt.gz", ".jsonl.gz")


@dataclass(frozen=True)
class InputFile:
    """One file of text.

    Attributes:
      path: Where it is now.
      name: Relative to the input it was found under, so that a moved corpus keeps its names.
      size: Bytes on disk.
    """

    path: Path
    name: str
    size: int

    @property
    def compressed(self) -> bool:
        """Whether the file is gzip, which can only be read from its beginning."""
        return self.path.name.lower().endswith(".gz")

    @property
    def is_jsonl(self) -> bool:
        """Whether each line is a JSON object; else the file is plain text."""
        return self.path.name.lower().removesuffix(".gz").endswith(".jsonl")


def find_inputs(inputs: Sequence[Path], *, exclude: Path) -> list[InputFile]:
    """Lists the text files that the inputs are or hold, sorted by name.

    Args:
      inputs: Files and folders; a folder is searched with its subfolders.
      exclude: A folder that is never searched, the output, which may lie inside an input.

    Raises:
      InputMissingError: An input is not there, or is neither a file nor a folder.
      DataError: A folder without text, or a file that no reader knows.
    """
    found: dict[Path, InputFile] = {}
    for path in inputs:
        for file in _files_of(path, exclude=exclude.resolve()):
            found.setdefault(file.path.resolve(), file)
    return sorted(found.values(), key=lambda file: file.name)


def _files_of(path: Path, *, exclude: Path) -> list[InputFile]:
    try:
        if path.is_dir():
            return _files_in(path, exclude=exclude)
        if not path.exists():
            raise InputMissingError(
                f"input not found: {path}", hint="check the path; INPUT is a file or a folder"
            )
        if not path.is_file():
            raise InputMissingError(f"input is neither a regular file nor a folder: {path}")
        if not _is_text(path):
            raise DataError(
                f"no reader for {path}: its name ends with none of {', '.join(ENDINGS)}",
                hint="rename the file, or convert it to one of these",
            )
        return [InputFile(path, path.name, path.stat().st_size)]
    except PermissionError as error:
        raise InputMissingError(f"input cannot be read: {error.filename or path}") from error


def _files_in(folder: Path, *, exclude: Path) -> list[InputFile]:
    files = [
        InputFile(path, path.relative_to(folder).as_posix(), path.stat().st_size)
        for path in folder.rglob("*")
        if _is_text(path) and path.is_file() and not path.resolve().is_relative_to(exclude)
    ]
    if not files:
        raise DataError(
            f"no text in {folder}: it holds no file ending with {', '.join(ENDINGS)}",
            hint="name the folder that holds the text, or rename its files",
        )
    return files


def _is_text(path: Path) -> bool:
    return path.name.lower().endswith(ENDINGS)
