"""Standard input, copied to a file in the output folder and so an input like others.

The copy is whole or not there. It goes when all is prepared, or when nothing was begun with it.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from io import BufferedReader
from itertools import chain
from pathlib import Path
from typing import cast

from electra_cli.corpus.preparation.output import check_output_folder
from electra_cli.corpus.reading.input_file import changed_input
from electra_cli.errors import ConfigError, InputMissingError
from electra_cli.files.atomic import AtomicFile, named_if_full
from electra_cli.files.layout import MANIFEST_FILE, PLAN_FILE, STANDARD_INPUT_FILE

_BETWEEN_REPORTS = 16 * 2**20


def copied_standard_input(
    output: Path,
    *,
    is_alone: bool,
    is_whole: bool,
    on_note: Callable[[str], None],
    on_progress: Callable[[float, str], None],
) -> Path | None:
    """The file with what is piped in.

    Where a preparation has begun with a copy, the same text is compared with it, and none stands
    for it, also where all is prepared.

    Args:
      output: The output folder, locked.
      is_alone: Whether it is all of the input.
      is_whole: Whether all of it comes to this process, which is no task among others.
      on_note: Receives where the copy is.
      on_progress: Receives how much has come.

    Returns:
      None if nothing comes, and nothing is needed: all is prepared.

    Raises:
      ConfigError: It is to be copied, and each of several tasks would copy its own.
      OutputError: The output cannot be written, or holds something else; nothing was read then.
      InputMissingError: Standard input is closed.
      DataError: The preparation has begun with another text.
      IOFailedError: The disk is full.
    """
    check_output_folder(output)
    if sys.stdin is None:
        raise InputMissingError("standard input is closed", hint="pipe the text in")
    # A pipe that does not wait would end where text comes late. What is no pipe always waits.
    with suppress(OSError, ValueError):
        os.set_blocking(sys.stdin.buffer.fileno(), True)
    path = output / STANDARD_INPUT_FILE
    has_copy = path.exists() and (output / PLAN_FILE).exists()
    needs_nothing = is_alone and (output / MANIFEST_FILE).exists()
    if not (is_whole or has_copy or needs_nothing):
        raise ConfigError(
            "standard input is one stream, and --num-tasks asks for several parts of it",
            hint="write it to a file and prepare that; or give it to the first stage as a whole, "
            "without --num-tasks: later ones find the copy",
        )
    pieces = _pieces(cast(BufferedReader, sys.stdin.buffer), on_progress)
    first = next(pieces, b"")
    if needs_nothing and not first:
        return None
    if has_copy:
        on_note(f"standard input is in {path} already")
        if first:
            _compare(chain([first], pieces), path)
    else:
        on_note(f"standard input is copied to {path}, until all of it is prepared")
        _copy(chain([first], pieces), path)
    return path


def _pieces(stream: BufferedReader, on_progress: Callable[[float, str], None]) -> Iterator[bytes]:
    size, read = 0, stream.read1  # the first piece as soon as something comes
    while data := read(_BETWEEN_REPORTS):
        size, read = size + len(data), stream.read
        on_progress(0.0, f"copying standard input, {size / 1e6:,.0f} MB")
        yield data


def _copy(pieces: Iterator[bytes], path: Path) -> None:
    file = AtomicFile(path)
    size = 0
    try:
        with named_if_full(
            path.parent,
            lambda: f"the copy of standard input has {size:,} and needs more",
            hint="free some space, or choose an --output with room for the text and its shards",
        ):
            for piece in pieces:
                file.stream.write(piece)
                size += len(piece)
            file.commit()
    finally:
        file.discard()


def _compare(pieces: Iterator[bytes], path: Path) -> None:
    with path.open("rb") as copy:
        for piece in pieces:
            if copy.read(len(piece)) != piece:
                raise changed_input("standard input")
        if copy.read(1):
            raise changed_input("standard input")
