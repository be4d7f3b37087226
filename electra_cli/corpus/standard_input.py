"""Standard input, which can be read only once, as a file that can be read like any other."""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from electra_cli.corpus.discovery import STANDARD_INPUT
from electra_cli.corpus.output import PLAN_FILE
from electra_cli.errors import InputMissingError, OutputError


@contextmanager
def standard_input(inputs: Sequence[Path], output: Path) -> Iterator[Path | None]:
    """Copies standard input to a temporary file, if it is among the inputs.

    A vocabulary is trained on the text before it is tokenized, and every worker reads it from
    some place of its own: both need a file.

    Args:
      inputs: Of the command.
      output: Its output folder.

    Raises:
      OutputError: The output was begun before, and standard input does not come twice.
      InputMissingError: Standard input is closed.
      OSError: The folder for temporary files is full.
    """
    if STANDARD_INPUT not in inputs:
        yield None
        return
    if (output / PLAN_FILE).exists():
        raise OutputError(
            f"{output} was begun before, and a preparation of standard input cannot be resumed",
            hint="choose another --output, or delete this one yourself; text in files can resume",
        )
    if sys.stdin is None:
        raise InputMissingError("standard input is closed", hint="pipe the text in")
    with tempfile.NamedTemporaryFile(prefix="electra-stdin-") as copy:
        shutil.copyfileobj(sys.stdin.buffer, copy, 2**20)
        copy.flush()
        yield Path(copy.name)
