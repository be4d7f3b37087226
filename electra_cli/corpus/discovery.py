"""Which files a command's inputs stand for, and what is in them."""

from __future__ import annotations

import glob
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from electra_cli.corpus.compression import uncompressed
from electra_cli.corpus.formats import (
    ENDINGS,
    HEAD_BYTES,
    Format,
    FormatOption,
    detect_format,
    is_candidate,
)
from electra_cli.errors import DataError, InputMissingError

STANDARD_INPUT = Path("-")


@dataclass(frozen=True)
class InputFile:
    """One file of text.

    Attributes:
      path: Where it is now.
      name: Relative to the input it was found under, so that a moved corpus keeps its names.
      size: Bytes on disk.
      label: What errors call it.
      format: Of its content, when it is uncompressed.
      compressed: Whether it is compressed as a whole.
    """

    path: Path
    name: str
    size: int
    label: str
    format: Format
    compressed: bool

    @property
    def splits_at_bytes(self) -> bool:
        """Whether reading can begin anywhere in the file, at the next document."""
        return self.format in ("txt", "jsonl") and not self.compressed

    @property
    def splits_at_row_groups(self) -> bool:
        """Whether reading can begin at any row group."""
        return self.format == "parquet" and not self.compressed


def find_inputs(
    inputs: Sequence[Path],
    *,
    exclude: Path,
    format: FormatOption = "auto",
    standard_input: Path | None = None,
) -> list[InputFile]:
    """Lists the files that the inputs are or hold, sorted by name.

    Args:
      inputs: Files, folders, patterns, and `-`; a folder is searched with its subfolders.
      exclude: A folder that is never searched, the output, which may lie inside an input.
      format: Of every file, or `auto`.
      standard_input: The file that holds what `-` stands for.

    Raises:
      InputMissingError: An input is not there, is neither a file nor a folder, or a pattern
        fits nothing.
      DataError: A folder without text, or a file that no reader knows.
    """
    found: dict[Path, InputFile] = {}
    for path, root in _expanded(inputs):
        try:
            if path == STANDARD_INPUT and standard_input:
                name, path, label = "-", standard_input, "standard input"
                files = [_input_file(path, name, label, format)]
            else:
                files = _files_of(path, root, exclude.resolve(), format)
        except PermissionError as error:
            raise InputMissingError(f"input cannot be read: {error.filename or path}") from error
        for file in files:
            found.setdefault(file.path.resolve(), file)
    return sorted(found.values(), key=lambda file: file.name)


def _expanded(inputs: Sequence[Path]) -> Iterator[tuple[Path, Path | None]]:
    """The inputs, a pattern replaced by what fits it, with the folder that the pattern is in."""
    for path in inputs:
        text = str(path)
        if not glob.has_magic(text) or path.exists():  # a file may be called a[1].txt
            yield path, None
            continue
        root = next(parent for parent in path.parents if not glob.has_magic(str(parent)))
        matches = sorted(glob.glob(text, recursive=True))  # noqa: PTH207 - no hidden files
        if not matches:
            raise InputMissingError(
                f"no file fits the pattern {text!r}",
                hint=f"look at what there is: `ls {root}`; ** goes into subfolders",
            )
        for match in matches:
            if "**" not in text or not Path(match).is_dir():  # ** also gives all files below
                yield Path(match), root


def _files_of(
    path: Path, root: Path | None, exclude: Path, format: FormatOption
) -> list[InputFile]:
    if path.is_dir():
        return _files_in(path, root or path, exclude=exclude, format=format)
    if not path.exists():
        raise InputMissingError(
            f"input not found: {path}",
            hint="check the path; INPUT is a file, a folder, a quoted pattern or - for standard "
            "input",
        )
    if not path.is_file():
        raise InputMissingError(
            f"input is neither a regular file nor a folder: {path}",
            hint=f"pipe it in: `electra prepare-data - < {path}`",
        )
    name = path.relative_to(root).as_posix() if root else path.name
    return [_input_file(path, name, str(path), format)]


def _files_in(folder: Path, root: Path, *, exclude: Path, format: FormatOption) -> list[InputFile]:
    files = [
        _input_file(path, path.relative_to(root).as_posix(), str(path), format)
        for path in folder.rglob("*")
        if is_candidate(path.name, format)
        and path.is_file()
        and not path.resolve().is_relative_to(exclude)
    ]
    if not files:
        raise DataError(
            f"no text in {folder}: it holds no file ending with {', '.join(ENDINGS)}, also "
            "compressed",
            hint="name files of other endings one by one or by a pattern, or say with --format "
            "what all are",
        )
    return files


def _input_file(path: Path, name: str, label: str, format: FormatOption) -> InputFile:
    raw: io.BufferedReader = io.BufferedReader(io.FileIO(path), HEAD_BYTES)
    with raw:
        content = uncompressed(raw, label)
        head = content.peek(HEAD_BYTES)[:HEAD_BYTES]
        return InputFile(
            path=path,
            name=name,
            size=path.stat().st_size,
            label=label,
            format=detect_format(head, name, label, format),
            compressed=content is not raw,
        )
