"""Running slices, in this process or in several."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from pathlib import Path
from typing import Any

from electra_cli.corpus.plan import Slice
from electra_cli.corpus.slices import SliceSettings, prepare_slice
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
    work = partial(prepare_slice, settings=settings, output=output, held_out_below=held_out_below)
    if min(workers, len(slices)) <= 1:
        done = 0

        def add(disk_bytes: int) -> None:
            nonlocal done
            done += disk_bytes
            on_progress(done)

        for slice_ in slices:
            work(slice_, on_progress=add)
        return

    context = multiprocessing.get_context("spawn")
    counter = context.Value("q", 0)
    stop = context.Event()
    executor = ProcessPoolExecutor(
        min(workers, len(slices)), context, initializer=_start_worker, initargs=(counter, stop)
    )
    try:
        futures = [executor.submit(_run, work, slice_) for slice_ in slices]
        pending: set[Future[None]] = set(futures)
        while pending:
            done_now, pending = wait(pending, timeout=_SECONDS_BETWEEN_LOOKS)
            on_progress(counter.value)
            if any(future.exception() for future in done_now):
                break
        for future in futures:
            if future.done():
                future.result()
    except BrokenProcessPool as error:
        raise TryAgainError(
            "a worker process was lost: it was killed, or the machine ran out of memory",
            hint="run the same command again, finished slices are kept; fewer --workers need "
            "less memory",
        ) from error
    finally:
        stop.set()
        executor.shutdown(wait=True, cancel_futures=True)


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


def _run(work: Callable[..., Any], slice_: Slice) -> None:
    work(slice_, on_progress=_report)


def _report(disk_bytes: int) -> None:
    with _worker["counter"].get_lock():
        _worker["counter"].value += disk_bytes
    if _worker["stop"].is_set():
        raise _StoppedError
