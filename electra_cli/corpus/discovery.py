"""Which files a command's inputs stand for, and what is in them."""

from __future__ import annotations

import glob
import io
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import Any

from electra_cli.corpus.compression import uncompressed
from electra_cli.corpus.faults import MOST_NAMED, DamagedError, LeftOut, UnreadableError
from electra_cli.corpus.formats import (
    ENDINGS,
    HEAD_BYTES,
    Format,
    FormatOption,
    detect_format,
    is_candidate,
)
from electra_cli.corpus.piped import Piped
from electra_cli.errors import DataError, InputMissingError

STANDARD_INPUT = Path("-")

# More than can ever come through a pipe whose end is not known yet.
UNKNOWN_SIZE = 2**62

# The fingerprint is taken of so many blocks, evenly spaced, of so many bytes.
_SAMPLES = 16
_SAMPLE_BYTES = 4096


@dataclass(frozen=True)
class InputFile:
    """One file of text.

    Attributes:
      path: Where it is now.
      name: Relative to the input it was found under, so that a moved corpus keeps its names.
      size: Bytes on disk; `UNKNOWN_SIZE` of what is read as it comes.
      label: What errors call it.
      format: Of its content, when it is uncompressed.
      compressed: Whether it is compressed as a whole.
      fingerprint: Of its content; copies have the same.
      piped: What comes through a pipe and is in no file.
    """

    path: Path
    name: str
    size: int
    label: str
    format: Format
    compressed: bool
    fingerprint: str
    piped: Piped | None = None

    @property
    def splits_at_bytes(self) -> bool:
        """Whether reading can begin anywhere in the file, at the next document."""
        return self.format in ("txt", "jsonl") and not self.compressed and not self.comes_once

    @property
    def splits_at_row_groups(self) -> bool:
        """Whether reading can begin at any row group."""
        return self.format == "parquet" and not self.compressed

    @property
    def comes_once(self) -> bool:
        """Whether it can be read only once, and by this process alone."""
        return self.piped is not None and self.piped.comes_once

    def open(self) -> Any:
        """Its bytes as something for `io.BufferedReader`.

        Raises:
          OSError: It cannot be opened.
        """
        return self.piped.open() if self.piped else io.FileIO(self.path)

    def check_unchanged(self) -> None:
        """Makes sure that the file is the one that was planned with.

        Raises:
          DataError: It has another content by now.
        """
        if self.piped:
            return
        try:
            with io.FileIO(self.path) as raw:
                found = _fingerprint(raw)
        except OSError:
            return  # whoever reads it says so
        if found != self.fingerprint:
            raise changed_input(self.label)


def find_inputs(
    inputs: Sequence[Path],
    *,
    exclude: Path,
    format: FormatOption = "auto",
    standard_input: Path | Piped | None = None,
    left_out: LeftOut | None = None,
    on_note: Callable[[str], None] = lambda text: None,
) -> list[InputFile]:
    """Lists the files that the inputs are or hold, sorted by name.

    Args:
      inputs: Files, folders, patterns, and `-`; a folder is searched with its subfolders.
      exclude: A folder that is never searched, the output, which may lie inside an input.
      format: Of every file, or `auto`.
      standard_input: What `-` stands for, or the file that holds it.
      left_out: Takes the files that no reader knows; by default they are errors.
      on_note: Is told in a sentence which files were passed over, hidden ones apart.

    Raises:
      InputMissingError: An input is not there, is neither a file nor a folder, or a pattern
        fits nothing.
      DataError: A folder without text, or a file that no reader knows.
    """
    search = _Search(exclude.resolve(), format, left_out or LeftOut(skips=False))
    found: dict[Path, InputFile] = {}
    named: set[Path] = set()
    for path, root in _expanded(inputs):
        try:
            if path == STANDARD_INPUT and standard_input:
                files = [_standard_input(standard_input, format)]
            else:
                files = list(search.files_of(path, root))
        except PermissionError as error:
            raise InputMissingError(f"input cannot be read: {error.filename or path}") from error
        named.add(path.resolve())
        for file in files:
            found.setdefault(file.path.resolve(), file)
    if lost := {path for path in search.passed_over if path.resolve() not in found.keys() | named}:
        on_note(
            f"passed over in folders, for their endings or as links to folders: {shown(lost)}; "
            "name those to be read as inputs, or say with --format what all files are"
        )
    return sorted(found.values(), key=lambda file: file.name)


def shown(files: Iterable[Path | str], count: int | None = None) -> str:
    """How many they are, and the names of the first.

    Args:
      files: All of them, or the first.
      count: How many they are, if only the first are given.
    """
    names = sorted(map(str, files))
    count = len(names) if count is None else count
    more = ", …" if count > MOST_NAMED else ""
    return f"{count:,} ({', '.join(names[:MOST_NAMED])}{more})"


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


@dataclass
class _Search:
    """Looks for files, see `find_inputs`, and remembers what it has left out."""

    exclude: Path
    format: FormatOption
    left_out: LeftOut
    passed_over: list[Path] = field(default_factory=list)
    without_text: set[Path] = field(default_factory=set)

    def files_of(self, path: Path, root: Path | None) -> Iterator[InputFile]:
        """What an input stands for, which a pattern in the folder `root` may have found."""
        if path.is_dir():
            yield from self._files_in(path, root or path)
            return
        if not path.exists():
            raise InputMissingError(
                f"input not found: {path}",
                hint="check the path; INPUT is a file, a folder, a quoted pattern or - for "
                "standard input",
            )
        if not path.is_file():
            raise InputMissingError(
                f"input is neither a regular file nor a folder: {path}",
                hint=f"pipe it in: `electra prepare-data - < {path}`",
            )
        yield from self._file(path, path.relative_to(root).as_posix() if root else path.name)

    def _files_in(self, folder: Path, root: Path) -> Iterator[InputFile]:
        is_empty = True
        # Sorted, so that of two links to a file it is always the same that gives the name.
        for path in sorted(folder.rglob("*")):
            if path.resolve().is_relative_to(self.exclude):
                continue
            if is_candidate(path.name, self.format) and path.is_file():
                is_empty = False
                yield from self._file(path, path.relative_to(root).as_posix())
            elif not _is_hidden(path.relative_to(folder)) and not _is_searched(path):
                self.passed_over.append(path)
        if is_empty:
            raise DataError(
                f"no text in {folder}: it holds no file ending with {', '.join(ENDINGS)}, also "
                "compressed",
                hint="name files of other endings one by one or by a pattern, or say with "
                "--format what all are",
            )

    def _file(self, path: Path, name: str) -> Iterator[InputFile]:
        """The file, unless no reader knows it."""
        try:
            yield _input_file(path, name, str(path), self.format)
        except (UnreadableError, DamagedError) as error:
            target = path.resolve()  # which may be found more than once
            if target not in self.without_text:
                self.without_text.add(target)
                self.left_out.add(name, error)


def _is_hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)


def _is_searched(path: Path) -> bool:
    """Whether it is a folder whose files are found too."""
    return path.is_dir() and not path.is_symlink()


def _input_file(path: Path, name: str, label: str, format: FormatOption) -> InputFile:
    with io.FileIO(path) as raw:
        size, fingerprint = os.fstat(raw.fileno()).st_size, _fingerprint(raw)
        format_, compressed = _content(raw, name, label, format)
    return InputFile(path, name, size, label, format_, compressed, fingerprint)


def _standard_input(source: Path | Piped, format: FormatOption) -> InputFile:
    name, label = "-", "standard input"
    if isinstance(source, Path):
        return _input_file(source, name, label, format)
    head = io.BytesIO(source.head)
    format_, compressed = _content(head, name, label, format)
    size = UNKNOWN_SIZE if source.comes_once else len(source.head)
    return InputFile(STANDARD_INPUT, name, size, label, format_, compressed, "", piped=source)


def _content(raw: Any, name: str, label: str, format: FormatOption) -> tuple[Format, bool]:
    """The format of what a file holds, and whether it is compressed."""
    with io.BufferedReader(raw, HEAD_BYTES) as stream:
        content = uncompressed(stream, label)
        head = content.peek(HEAD_BYTES)[:HEAD_BYTES]
        return detect_format(head, name, label, format), content is not stream


def _fingerprint(raw: io.FileIO) -> str:
    """A hash of the size and of samples, which files that differ by accident do not share.

    The time of the last change is not in it: a copy is as good as the file.
    """
    size = os.fstat(raw.fileno()).st_size
    digest = blake2b(str(size).encode(), digest_size=16)
    if size <= _SAMPLES * _SAMPLE_BYTES:
        digest.update(os.pread(raw.fileno(), size, 0))
    else:
        for number in range(_SAMPLES):
            place = (size - _SAMPLE_BYTES) * number // (_SAMPLES - 1)
            digest.update(os.pread(raw.fileno(), _SAMPLE_BYTES, place))
    return digest.hexdigest()


def changed_input(label: str) -> DataError:
    """The error for a file that is not the one that was planned with."""
    return DataError(
        f"{label} has another content than when this preparation began",
        hint="put the former file back and run the same command again, or choose another --output "
        "and prepare the input as it is now",
    )
