"""Standard input, which comes only once.

What fits in a slice is kept in memory. More is read as it comes where one pass over it suffices,
and is copied to a temporary file where not.
"""

from __future__ import annotations

import os
import pickle
import sys
import tempfile
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, BinaryIO

from electra_cli.corpus.preparation.blocks import Block, read_blocks
from electra_cli.corpus.preparation.output import check_output_folder
from electra_cli.corpus.preparation.plan import Slice
from electra_cli.corpus.preparation.slices import SliceSettings, finished_record
from electra_cli.corpus.reading.input_file import STANDARD_INPUT
from electra_cli.corpus.reading.piped import Piped
from electra_cli.corpus.reading.readers import ReadSoFar
from electra_cli.errors import InputMissingError, OutputError
from electra_cli.files.atomic import named_if_full
from electra_cli.files.layout import PLAN_FILE

# Parquet and zip have at their end what must be read first.
_INDEX_AT_END = (b"PAR1", b"PK")
_BETWEEN_REPORTS = 16 * 2**20


@contextmanager
def standard_input(
    inputs: Sequence[Path],
    output: Path,
    *,
    head_bytes: int,
    passes: str,
    on_note: Callable[[str], None],
    on_progress: Callable[[float, str], None],
) -> Iterator[Piped | Path | None]:
    """Makes standard input readable, if it is among the inputs.

    Args:
      inputs: Of the command.
      output: Its output folder.
      head_bytes: What may be held in memory.
      passes: What reads the text before it is tokenized, in words; empty if nothing does.
      on_note: Is told that a copy is kept, why, where and how large.
      on_progress: Is told how large the copy is while it is made.

    Yields:
      What comes through the pipe, or the file that it was copied to.

    Raises:
      OutputError: The output was begun before, and standard input does not come twice; or it
        cannot be begun. Nothing was read then.
      InputMissingError: Standard input is closed.
      IOFailedError: The folder for temporary files is full.
    """
    if STANDARD_INPUT not in inputs:
        yield None
        return
    if (output / PLAN_FILE).exists():
        raise OutputError(
            f"{output} was begun before, and a preparation of standard input cannot be resumed",
            hint="choose another --output, or delete this one yourself; text in files can resume",
        )
    check_output_folder(output)
    if sys.stdin is None:
        raise InputMissingError("standard input is closed", hint="pipe the text in")
    # A pipe that does not wait would end where text comes late. What is no pipe always waits.
    with suppress(OSError, ValueError):
        os.set_blocking(sys.stdin.buffer.fileno(), True)
    head = sys.stdin.buffer.read(head_bytes + 1)
    if len(head) <= head_bytes:
        yield Piped(head, rest=None)
        return
    if head.startswith(_INDEX_AT_END):
        passes = "its format is read from the end"
    if not passes:
        yield Piped(head, rest=sys.stdin.buffer)
        return
    with tempfile.NamedTemporaryFile(prefix="electra-stdin-") as copy:
        on_note(f"standard input is copied to {copy.name} first: {passes}")
        size = _copy(head, sys.stdin.buffer, copy, on_progress)
        on_note(f"standard input is copied: {size:,} bytes, deleted at the end")
        yield Path(copy.name)


def _copy(
    head: bytes, rest: BinaryIO, copy: IO[bytes], on_progress: Callable[[float, str], None]
) -> int:
    size = 0
    data = head
    with named_if_full(
        Path(copy.name).parent,
        lambda: f"the copy of standard input has {size:,} bytes and needs more",
        hint="set TMPDIR=FOLDER to a folder with room for all of it, or bring a vocabulary with "
        "--vocab: without de-duplication nothing is copied then",
    ):
        while data:
            copy.write(data)
            copy.flush()
            size += len(data)
            on_progress(0.0, f"copying standard input, {size / 1e6:,.0f} MB")
            data = rest.read(_BETWEEN_REPORTS)
    return size


class OnceReadBlocks:
    """The blocks of a stream that comes only once.

    If the share that is held out catches no document, the one with the lowest hash is held out,
    and blocks that hold it are prepared again (`pipeline.py`). Until a document is held out, the
    blocks with the lowest hash so far are kept on disk: one, or more where documents repeat.

    Args:
      output: The prepared folder.
    """

    def __init__(self, output: Path) -> None:
        self._output = output
        self._blocks = 0  # read so far
        self._pending: deque[Block] = deque()  # not known to be prepared
        self._lowest: str | None = None
        self._any_held_out = False
        self._kept: IO[bytes] | None = None

    def read(self, slice_: Slice, settings: SliceSettings) -> Iterator[Block]:
        """All blocks when it is called first; later only those kept have their text.

        The others are prepared and would come out the same, so nobody looks at their text.
        """
        return self._again(slice_) if self._blocks else self._first(slice_, settings)

    def close(self) -> None:
        """Frees the disk."""
        if self._kept is not None:
            self._kept.close()
        self._kept = None

    def _first(self, slice_: Slice, settings: SliceSettings) -> Iterator[Block]:
        for block in read_blocks(slice_, options=settings.read, block_bytes=settings.slice_bytes):
            self._blocks += 1
            self._pending.append(block)
            yield block
            self._settle()

    def _again(self, slice_: Slice) -> Iterator[Block]:
        self._settle()
        kept = self._load()
        following = next(kept, None)
        for number in range(self._blocks):
            if following and following.number == number:
                yield following
                following = next(kept, None)
            else:
                yield Block(slice_.index, number, b"", ReadSoFar())

    def _settle(self) -> None:
        """Decides on blocks that have been prepared, in order."""
        while self._pending:
            block = self._pending[0]
            record = finished_record(self._output, block.slice_index, block.number)
            if record is None:
                return
            self._pending.popleft()
            self._any_held_out |= record.counts.validation_documents > 0
            if self._any_held_out:
                self.close()
            elif record.lowest_hash is not None:
                self._keep(block, record.lowest_hash)

    def _keep(self, block: Block, lowest_hash: str) -> None:
        if self._kept is None or self._lowest is None or lowest_hash < self._lowest:
            self.close()
            self._lowest = lowest_hash
            self._kept = tempfile.TemporaryFile(dir=self._output)  # noqa: SIM115 - nameless
        if lowest_hash == self._lowest:
            pickle.dump(block, self._kept)

    def _load(self) -> Iterator[Block]:
        if self._kept is None:
            return
        end = self._kept.tell()
        self._kept.seek(0)
        while self._kept.tell() < end:
            yield pickle.load(self._kept)
