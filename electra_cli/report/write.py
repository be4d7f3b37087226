"""Writes a report into a file, and over an earlier one only."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal, get_args

from electra_cli.errors import ConfigError, ElectraError, OutputError
from electra_cli.files.atomic import atomic_write_text
from electra_cli.report.downstream import Downstream, read_downstream
from electra_cli.report.plots.along import Along
from electra_cli.report.record import RunRecord, read_record
from electra_cli.runs.lock import cannot_write
from electra_cli.runs.run_folder import RunFolder

Format = Literal["html", "png", "svg", "md"]
FORMATS: tuple[Format, ...] = get_args(Format)
REPORT = "report"  # the name of a report, without its ending

_ENDINGS: dict[str, Format] = {name: name for name in FORMATS}
_ENDINGS |= {"htm": "html", "markdown": "md"}
# What each of them has at its beginning, and no other file.
_MARKS = re.compile(
    rb'\A<!-- electra |<meta name="generator" content="electra |<dc:title>electra</dc:title>'
    rb"|tEXtSoftware\0electra"
)
_BEGINNING = 4096  # bytes


def format_of(path: Path | None, format: Format | None) -> Format:
    """Decides the format of a report.

    Args:
      path: Where it is to be written; None if nothing was said of it.
      format: What was asked for; None for nothing.

    Returns:
      What was asked for, else that of the path's ending; HTML without both.

    Raises:
      ConfigError: The ending is that of no format, or of another one than was asked for.
    """
    ending = "" if path is None else path.suffix.lower().removeprefix(".")
    by_ending = _ENDINGS.get(ending)
    if format is not None and by_ending not in (None, format):
        raise ConfigError(
            f"--output {path} and --format {format} contradict each other",
            hint=f"leave --format out, or write --output {path and path.with_suffix(f'.{format}')}",
        )
    if path is not None and format is None and by_ending is None:
        raise ConfigError(
            f"--output {path}: its ending is that of no format",
            hint=f"end it in .html, .png, .svg or .md, as in --output {path}.html, or add "
            f"--format {'|'.join(FORMATS)}",
        )
    return format or by_ending or "html"


def write_own(run: RunFolder, *, warn: Callable[[str], None]) -> Path | None:
    """Writes the report of a run into its folder; nothing that goes wrong with it ends a run.

    Args:
      run: The run.
      warn: Hears why it could not be written.

    Returns:
      RUN/report.html; None if there is no new one.
    """
    try:
        record = read_record(run)
        write_report([record], read_downstream([], [record])[0], run.report, "html")
    except Exception as error:
        what = f"{type(error).__name__}: {error}"
        what = error.message if isinstance(error, ElectraError) else what
        warn(f"there is no report of the run: {what}; `electra report` writes one")
        return None
    return run.report


def check_output(path: Path) -> None:
    """Refuses to write over anything but a report of ours.

    Raises:
      OutputError: There is something else, or it cannot be looked at.
    """
    try:
        if path.is_dir():
            raise OutputError(
                f"--output {path} is a folder", hint=f"name a file: --output {path / REPORT}.html"
            )
        if not path.exists():
            return
        with path.open("rb") as file:
            is_ours = _MARKS.search(file.read(_BEGINNING)) is not None
    except OSError as error:
        raise cannot_write(path, error) from error
    if not is_ours:
        raise OutputError(
            f"{path} exists and is no report of electra",
            hint="choose another --output; nothing is overwritten",
        )


def write_report(
    records: Sequence[RunRecord],
    downstream: Sequence[Downstream],
    path: Path,
    format: Format,
    along: Along = "steps",
) -> None:
    """Writes a report; the file is there whole or not at all.

    Args:
      records: At least one.
      downstream: Scores of models that stand on them.
      path: The file, which is new or a report.
      format: HTML with everything, Markdown without pictures, or the pictures alone.
      along: What the horizontal axes of pictures have.

    Raises:
      OutputError: It would overwrite something else, or cannot be made.
      IOFailedError: The disk is full.
    """
    check_output(path)
    try:
        if format == "html":
            from electra_cli.report.page.page import page_of

            atomic_write_text(path, page_of(records, downstream, along))
        elif format == "md":
            from electra_cli.report.markdown import as_markdown

            atomic_write_text(path, as_markdown(records, downstream))
        else:
            from electra_cli.report.plots.draw import figure

            figure(records, path, format, along)
    except OSError as error:
        raise cannot_write(path, error) from error
