"""Slices prepared by an engine; workers of this machine share streams."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from functools import partial

from electra_cli.corpus.preparation.engines.engine import Engine
from electra_cli.corpus.preparation.engines.workers import Task, Workers
from electra_cli.corpus.preparation.options import SliceSettings
from electra_cli.corpus.preparation.plan import Slice
from electra_cli.corpus.preparation.records import SliceRecord
from electra_cli.corpus.preparation.slices import (
    StreamSlice,
    cut_stream,
    finish_stream,
    prepare_slice,
    prepare_stream_slice,
)
from electra_cli.errors import InputMissingError, listed
from electra_cli.files.remote.faults import RefusedError


def prepare_slices(
    slices: Sequence[Slice],
    *,
    settings: SliceSettings,
    engine: Engine,
    on_progress: Callable[[int], None],
    on_record: Callable[[SliceRecord], None] = lambda record: None,
) -> int:
    """Prepares slices; the records in the output folder are the result.

    As long as there is a stream for each worker of this machine, each reads one of its own; each
    stream left over is read by a process that only cuts it, and all workers prepare the slices of
    it. A cluster has one worker read each stream.

    Args:
      slices: What is left to do.
      settings: See `prepare_slice`.
      engine: Does it.
      on_progress: Receives the bytes on disk done since the call, all slices together.
      on_record: Receives the record of each slice that is finished, also of a slice of a stream
        that workers share.

    Returns:
      Their uncompressed bytes.

    Raises:
      InputMissingError: Inputs are gone; all slices without them are prepared.
      ElectraError: The error of the first slice that failed for another reason, or of a worker
        that died (`Engine.run`).
    """
    streams = [slice_ for slice_ in slices if slice_.is_stream]
    workers = engine if isinstance(engine, Workers) else None
    shared = streams[len(streams) - len(streams) % workers.count :] if workers else []
    queue = deque(
        Task(f"slice {s.index}", s.label, partial(prepare_slice, s, settings), s.disk_bytes)
        for s in slices
        if s not in shared
    )
    readers = deque(
        Task(f"slice {s.index}", s.label, partial(cut_stream, s, settings)) for s in shared
    )
    lost: dict[str, None] = {}  # messages of missing inputs, in order
    finished: dict[int, list[SliceRecord]] = {slice_.index: [] for slice_ in shared}
    lengths: dict[int, int] = {}  # of streams that are cut to their end
    prepared_bytes = 0
    run = partial(workers.results, readers=readers) if workers else engine.run
    for task, result in run(queue, on_progress):
        if isinstance(result, InputMissingError) and not isinstance(result, RefusedError):
            lost[result.message] = None
            continue
        if isinstance(result, Exception):
            raise result
        index = result.index
        if isinstance(result, StreamSlice):
            work = partial(prepare_stream_slice, result, settings)
            queue.append(Task(f"{task.name}-{result.number}", result.file, work))
            if result.is_last:
                lengths[index] = result.number + 1
        else:
            on_record(result)
            prepared_bytes += result.counts.input_bytes
            if index in finished:
                finished[index].append(result)
        if index in lengths and len(finished[index]) == lengths[index]:
            finish_stream(index, finished[index], settings)
    raise_missing(lost)
    return prepared_bytes


def raise_missing(lost: Iterable[str]) -> None:
    """Raises an error that names missing inputs, if there are any.

    Args:
      lost: Messages of their errors, all others are prepared.

    Raises:
      InputMissingError: There are.
    """
    if messages := list(lost):
        raise InputMissingError(
            listed(messages, 5, separator="; "),
            hint="what does not need it is prepared; put it back and run the same command again",
        )
