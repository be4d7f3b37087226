"""Which files a command's inputs stand for."""

from __future__ import annotations

import glob
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from electra_cli.corpus.reading.faults import MOST_NAMED, DamagedError, LeftOut, UnreadableError
from electra_cli.corpus.reading.formats import detect_format, detect_unnamed
from electra_cli.corpus.reading.input_file import (
    STANDARD_INPUT,
    Detect,
    InputFile,
    input_file,
    standard_input_file,
)
from electra_cli.corpus.reading.naming import FormatOption, kind_of, taken
from electra_cli.corpus.reading.passed_over import LINK_TO_FOLDER, NO_FILE, PassedOver, no_text
from electra_cli.errors import ConfigError, InputMissingError
from electra_cli.files.redaction import redacted
from electra_cli.files.remote.faults import shown
from electra_cli.files.remote.place import Place, name_of, place, root_of
from electra_cli.files.remote.store import Entry, Store, is_pattern, side_by_side


def find_inputs(
    inputs: Sequence[Place],
    *,
    exclude: Path,
    format: FormatOption = "auto",
    text_field: str = "text",
    vocabulary: Collection[Path] = (),
    standard_input: Path | None = None,
    is_stream: bool = False,
    left_out: LeftOut | None = None,
    passed_over: PassedOver | None = None,
    on_note: Callable[[str], None] = lambda text: None,
) -> list[InputFile]:
    """Lists the files that the inputs are or hold, sorted by name.

    Args:
      inputs: Files, folders, patterns, and `-`; a folder is searched with its subfolders. The
        first three may be URLs of object stores.
      exclude: A folder that is never searched, the output, which may lie inside an input.
      format: Of every file, or `auto`.
      text_field: The field of a JSON line that holds the text.
      vocabulary: Files that are no text where they are met, but part of a tokenizer in use.
      standard_input: The file that `-` stands for.
      is_stream: Whether that is read from its beginning to its end, although it could be cut.
      left_out: Receives the files that no reader knows; by default they are errors.
      passed_over: Receives what folders hold and is not read, hidden files apart.
      on_note: Receives a sentence that names the files passed over, hidden ones apart.

    Raises:
      ConfigError: The output is the only input, or a URL is none of a store.
      InputMissingError: An input is not there, is neither a file nor a folder, or a pattern
        fits nothing.
      TryAgainError: A store stays out of reach.
      DataError: A folder without text, or a file that no reader knows.
    """
    search = _Search(
        exclude.resolve(),
        frozenset(path.resolve() for path in vocabulary),
        format,
        text_field,
        left_out or LeftOut(skips=False),
    )
    found: dict[Place, InputFile] = {}
    named: set[Place] = set()
    urls, paths = _apart(inputs)
    expanded = [found for found in _expanded(paths) if not search.is_output(*found)]
    if not expanded and not urls:
        raise ConfigError(
            f"the input is the output folder itself: {exclude}",
            hint="choose a new or empty folder with --output",
        )
    for path, root in expanded:
        try:
            if path == STANDARD_INPUT and standard_input:
                copy = partial(standard_input_file, standard_input, is_stream=is_stream)
                files = [copy(format, text_field)]
            else:
                files = list(search.files_of(path, root))
        except PermissionError as error:
            raise InputMissingError(f"input cannot be read: {error.filename or path}") from error
        named.add(path.resolve())
        for file in files:
            found.setdefault(_real(file.path), file)
    for url in urls:
        named.add(url)
        for file in search.files_at(url):
            found.setdefault(file.path, file)
    read = found.keys() | named
    lost = {path: seen for path, seen in search.passed_over.items() if _real(path) not in read}
    if lost:
        on_note(
            f"passed over in folders, for their names or their content: {overview(lost)}; name "
            "those to be read as inputs, or say with --format what all files are"
        )
    for kind, size in lost.values():
        (passed_over or PassedOver()).add(kind, size)
    return sorted(found.values(), key=lambda file: file.name)


def overview(files: Iterable[Place], count: int | None = None) -> str:
    """How many they are, and the names of the first.

    Args:
      files: All of them, or the first.
      count: How many they are, if only the first are given.
    """
    names = sorted(redacted(str(file)) for file in files)
    count = len(names) if count is None else count
    more = ", …" if count > MOST_NAMED else ""
    return f"{count:,} ({', '.join(names[:MOST_NAMED])}{more})"


def _apart(inputs: Sequence[Place]) -> tuple[list[str], list[Path]]:
    """The inputs that are URLs, and the others."""
    places = [place(each) for each in inputs]
    return [p for p in places if isinstance(p, str)], [p for p in places if isinstance(p, Path)]


def _real(path: Place) -> Place:
    """What is the same for all ways to a file."""
    return path if isinstance(path, str) else path.resolve()


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
    vocabulary: frozenset[Path]
    format: FormatOption
    text_field: str
    left_out: LeftOut
    passed_over: dict[Place, tuple[str, int]] = field(default_factory=dict)  # kind and bytes
    without_text: set[Place] = field(default_factory=set)

    def is_output(self, path: Path, root: Path | None) -> bool:
        """Whether it is the output of an earlier start, or a pattern has found it in there."""
        may_be = root is not None or path.is_dir()
        return may_be and path.resolve().is_relative_to(self.exclude)

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
        if root is None or path.resolve() not in self.vocabulary:
            name = path.relative_to(root).as_posix() if root else path.name
            yield from self._file(path, name)

    def _files_in(self, folder: Path, root: Path) -> Iterator[InputFile]:
        has_text = False
        # Sorted, so that of two links to a file it is always the same that gives the name.
        for path in sorted(folder.rglob("*")):
            target = path.resolve()
            if target.is_relative_to(self.exclude) or target in self.vocabulary:
                continue
            name = path.relative_to(root).as_posix()
            how = taken(name, self.format)
            if how != "not" and path.is_file():
                yield from self._file(path, name, is_vague=how == "by content")
                has_text |= how == "by name" or path not in self.passed_over
            elif not _is_hidden(name) and not _is_searched(path):
                self._pass_over(path)
        if not has_text:
            below = [seen for path, seen in self.passed_over.items()
                     if isinstance(path, Path) and path.is_relative_to(folder)]  # fmt: skip
            raise _no_text_in(str(folder), below)

    def files_at(self, url: str) -> Iterator[InputFile]:
        """What an input in an object store stands for."""
        entries = Store.of(url).find(url)
        if not entries:
            raise InputMissingError(
                f"no object fits {shown(url)}",
                hint=f"look at what there is in {shown(root_of(url))}; ** goes into subfolders",
            )
        folder = f"{url.rstrip('/')}/"
        # An object or a folder may be called like a pattern.
        is_one = [entry.url for entry in entries] == [url]
        is_folder = all(entry.url.startswith(folder) for entry in entries)
        is_folder |= not is_pattern(url) and not is_one
        root = folder if is_folder else root_of(url)
        if is_one and is_pattern(url):
            root = url[: url.rfind("/") + 1]
        read: list[tuple[Entry, str, bool]] = []
        passed_over: list[tuple[str, int]] = []
        for entry in entries:
            name = name_of(entry.url, root)
            # What fits has as many folders before it as the pattern; what has more is in one.
            is_named = not is_folder and ("**" in url or entry.url.count("/") <= url.count("/"))
            how = "by name" if is_named else taken(name, self.format)
            if not is_folder and _is_hidden(name) and "/." not in url:
                continue  # as in patterns of files
            if how != "not":
                read.append((entry, name, how == "by content"))
            elif not _is_hidden(name):
                passed_over.append((kind_of(name), entry.size))
                self.passed_over[entry.url] = passed_over[-1]
        has_text = False
        looked = side_by_side(lambda found: self._look(found[0].url, *found[1:]), read)
        for (entry, name, is_vague), file in zip(read, looked, strict=True):
            if isinstance(file, InputFile):
                yield file
            elif file is not None:
                self._leave_out(entry.url, name, file)
            else:
                passed_over.append((kind_of(name), entry.size))
                self.passed_over[entry.url] = passed_over[-1]
            has_text |= file is not None or not is_vague
        if is_folder and not has_text:
            raise _no_text_in(shown(url.rstrip("/")), passed_over)

    def _file(self, path: Path, name: str, *, is_vague: bool = False) -> Iterator[InputFile]:
        """The file, unless no reader knows it."""
        file = self._look(path, name, is_vague)
        if isinstance(file, InputFile):
            yield file
        elif file is not None:
            self._leave_out(path, name, file)
        else:
            self._pass_over(path)

    def _look(
        self, path: Place, name: str, is_vague: bool
    ) -> InputFile | UnreadableError | DamagedError | None:
        """The file, None if it is no text, or why no reader knows it.

        Args:
          path: Where it is.
          name: What it is called.
          is_vague: Whether neither anybody named it nor its own name says that it is text.
        """
        detect: Detect = partial(detect_format, option=self.format, text_field=self.text_field)
        if is_vague:
            detect = partial(detect_unnamed, text_field=self.text_field)
        try:
            return input_file(
                path, name, shown(path) if isinstance(path, str) else str(path), detect
            )
        except (UnreadableError, DamagedError) as error:
            return error

    def _leave_out(self, path: Place, name: str, error: UnreadableError | DamagedError) -> None:
        target = _real(path)  # which may be found more than once
        if target not in self.without_text:
            self.without_text.add(target)
            self.left_out.add(name, error)

    def _pass_over(self, path: Path) -> None:
        if path.is_file():
            self.passed_over[path] = kind_of(path.name), path.stat().st_size
        else:
            self.passed_over[path] = (LINK_TO_FOLDER if path.is_dir() else NO_FILE), 0


def _no_text_in(folder: str, passed_over: Iterable[tuple[str, int]]) -> UnreadableError:
    """The error for a folder with nothing to read, by kind and size of what it holds."""
    there = PassedOver()
    for kind, size in passed_over:
        there.add(kind, size)
    pattern = f"`electra prepare-data '{folder}/**/*KIND*' --output DIR` reads them"
    return no_text(folder, there.kinds, otherwise=f"if it is text, {pattern}")


def _is_hidden(name: str) -> bool:
    return any(part.startswith(".") for part in name.split("/"))


def _is_searched(path: Path) -> bool:
    """Whether it is a folder whose files are found too."""
    return path.is_dir() and not path.is_symlink()
