"""Running slices, in this process or in several."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from pathlib import Path
from typing import Any, TypedDict

from electra_cli.corpus.blocks import Block, prepare_block, prepare_stream
from electra_cli.corpus.plan import Slice
from electra_cli.corpus.slices import SliceRecord, SliceSettings, prepare_slice
from electra_cli.errors import TryAgainError

_SECONDS_BETWEEN_LOOKS = 0.2


def prepare_slices(
    slices: Sequence[Slice],
    *,
    settings: SliceSettings,
    output: Path,
    held_out_below: int,
    workers: int,
    on_progress: Callable[[int], None],
) -> None:
    """Prepares slices; the records in the output folder are the result.

    Args:
      slices: What is left to do.
      settings: See `prepare_slice`.
      output: See `prepare_slice`.
      held_out_below: See `prepare_slice`.
      workers: Processes; 1 stays in this one.
      on_progress: Is told the bytes on disk done since the call, all slices together.

    Raises:
      TryAgainError: A worker was killed.
      ElectraError: The error of the first slice that failed.
    """
    how: _How = {"settings": settings, "output": output, "held_out_below": held_out_below}
    whole, shared = _divide(slices, workers)
    if workers == 1 or not (shared or len(whole) > 1):
        _prepare_here(slices, how, on_progress)
        return
    context = multiprocessing.get_context("spawn")
    counter = context.Value("q", 0)
    stop = context.Event()
    processes = workers if shared else min(workers, len(whole))
    executor = ProcessPoolExecutor(
        processes, context, initializer=_start_worker, initargs=(counter, stop)
    )
    futures: list[Future[SliceRecord]] = []

    def look() -> None:
        """Waits a moment, shows progress and raises the error of a slice that has failed."""
        running = [future for future in futures if not future.done()]
        wait(running, timeout=_SECONDS_BETWEEN_LOOKS, return_when=FIRST_COMPLETED)
        on_progress(counter.value)
        for future in futures:
            if future.done():
                future.result()

    def submit(block: Block) -> Future[SliceRecord]:
        futures.append(executor.submit(_run, partial(prepare_block, block, **how)))
        return futures[-1]

    def wait_for(future: Future[SliceRecord]) -> SliceRecord:
        while not future.done():
            look()
        return future.result()

    def add(disk_bytes: int) -> None:
        with counter.get_lock():
            counter.value += disk_bytes

    try:
        for slice_ in whole:
            work = partial(prepare_one, slice_, **how, on_progress=_report)
            futures.append(executor.submit(_run, work))
        for slice_ in shared:
            prepare_stream(
                slice_,
                **how,
                on_progress=add,
                submit=submit,
                wait=wait_for,
                ahead=processes + 1,
            )
        while not all(future.done() for future in futures):
            look()
        look()
    except BrokenProcessPool as error:
        raise TryAgainError(
            "a worker process was lost: it was killed, or the machine ran out of memory",
            hint="run the same command again, finished slices are kept; fewer --workers need "
            "less memory",
        ) from error
    finally:
        stop.set()
        executor.shutdown(wait=True, cancel_futures=True)


def _prepare_here(slices: Sequence[Slice], how: _How, on_progress: Callable[[int], None]) -> None:
    done = 0
    # A worker is one core's, and lists of new words are too short to be worth a pool of threads.
    os.environ["TOKENIZERS_PARALLELISM"] = "false"

    def add(disk_bytes: int) -> None:
        nonlocal done
        done += disk_bytes
        on_progress(done)

    for slice_ in slices:
        prepare_one(slice_, **how, on_progress=add)


def _divide(slices: Sequence[Slice], workers: int) -> tuple[list[Slice], list[Slice]]:
    """Slices that a worker prepares from end to end, and streams that all workers share.

    As long as there is a stream for each worker, each reads one of its own; the streams left over
    are read by this process, which hands their blocks round.
    """
    streams = [slice_ for slice_ in slices if slice_.is_stream]
    shared = streams[len(streams) - len(streams) % workers :]
    indices = {slice_.index for slice_ in shared}
    return [slice_ for slice_ in slices if slice_.index not in indices], shared


def prepare_one(
    slice_: Slice,
    *,
    settings: SliceSettings,
    output: Path,
    held_out_below: int,
    on_progress: Callable[[int], None],
) -> SliceRecord:
    """Prepares one slice in this process, be it a stream or not; see `prepare_slice`."""
    prepare = prepare_stream if slice_.is_stream else prepare_slice
    return prepare(
        slice_,
        settings=settings,
        output=output,
        held_out_below=held_out_below,
        on_progress=on_progress,
    )


class _How(TypedDict):
    """The arguments that are the same for all slices."""

    settings: SliceSettings
    output: Path
    held_out_below: int


class _StoppedError(Exception):
    """Another slice failed, or the command was interrupted."""


# What `_start_worker` leaves for `_run`; a pool's arguments reach its initializer only.
_worker: dict[str, Any] = {}


def _start_worker(counter: Any, stop: Any) -> None:
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    _worker.update(counter=counter, stop=stop)
    threading.Thread(target=_leave_with_parent, daemon=True).start()


def _leave_with_parent() -> None:
    """A pool's idle worker would outlive a killed parent for ever."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _run(work: Callable[[], SliceRecord]) -> SliceRecord:
    return work()


def _report(disk_bytes: int) -> None:
    with _worker["counter"].get_lock():
        _worker["counter"].value += disk_bytes
    if _worker["stop"].is_set():
        raise _StoppedError
