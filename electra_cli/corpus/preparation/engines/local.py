"""Running slices, in this process or in several."""

from __future__ import annotations

import _thread
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack
from functools import partial
from multiprocessing.context import SpawnContext, SpawnProcess
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, TypedDict

from electra_cli.corpus.preparation.blocks import Block, prepare_block, prepare_stream
from electra_cli.corpus.preparation.plan import Slice
from electra_cli.corpus.preparation.slices import SliceRecord, SliceSettings, prepare_slice
from electra_cli.corpus.preparation.standard_input import OnceReadBlocks
from electra_cli.environment import shielded_children
from electra_cli.errors import ElectraError, InputMissingError, TrainingError, TryAgainError

_SECONDS_BETWEEN_LOOKS = 0.2
_SHOWN = 5  # messages of missing inputs
# Signals that a process gives to itself, or its own instructions do.
_OWN_FAULTS = (
    signal.SIGSEGV, signal.SIGBUS, signal.SIGILL, signal.SIGFPE, signal.SIGABRT, signal.SIGSYS,
)  # fmt: skip


def prepare_slices(
    slices: Sequence[Slice],
    *,
    settings: SliceSettings,
    output: Path,
    held_out_below: int,
    workers: int,
    on_progress: Callable[[int], None],
    once_read: OnceReadBlocks | None = None,
    on_record: Callable[[SliceRecord], None] = lambda record: None,
) -> None:
    """Prepares slices; the records in the output folder are the result.

    Args:
      slices: What is left to do.
      settings: See `prepare_slice`.
      output: See `prepare_slice`.
      held_out_below: See `prepare_slice`.
      workers: Processes; 1 stays in this one.
      on_progress: Is told the bytes on disk done since the call, all slices together.
      once_read: Hands out the blocks of a stream that comes only once.
      on_record: Is given the record of each slice that was finished, and of blocks of streams
        where workers share them.

    Raises:
      InputMissingError: Inputs are gone; all slices without them are prepared.
      TryAgainError: A worker was killed.
      TrainingError: A worker ended by a mistake of its own, which another try would repeat.
      ElectraError: The error of the first slice that failed for another reason.
    """
    lost: dict[str, None] = {}  # messages of missing inputs, in order
    how: _How = {"settings": settings, "output": output, "held_out_below": held_out_below}
    whole, shared = _divide(slices, workers)
    if workers == 1 or not (shared or len(whole) > 1):
        _prepare_here(slices, how, on_progress, once_read, lost, on_record)
        raise_missing(lost)
        return
    shield = ExitStack()
    shield.enter_context(shielded_children())
    context = _Context()
    # Without locks, which a worker would take with it when it is killed: each number has a single
    # writer. Bytes done of each slice, and at the end those of all shared streams.
    done = context.RawArray("q", len(whole) + 1)
    stop = context.RawValue("b", 0)
    processes = workers if shared else min(workers, len(whole))
    executor = ProcessPoolExecutor(
        processes, context, initializer=_start_worker, initargs=(done, stop)
    )
    futures: list[Future[SliceRecord]] = []
    told: set[Future[SliceRecord]] = set()

    def look() -> None:
        """Waits a moment, shows progress and raises the error of a slice that has failed.

        One that an input is missing from can wait until all others are prepared.
        """
        running = [future for future in futures if not future.done()]
        wait(running, timeout=_SECONDS_BETWEEN_LOOKS, return_when=FIRST_COMPLETED)
        on_progress(sum(done))
        for future in futures:
            error = future.exception() if future.done() else None
            if isinstance(error, InputMissingError):
                lost[error.message] = None
            elif error:
                raise error
            elif future.done() and future not in told:
                told.add(future)
                on_record(future.result())

    def submit(block: Block) -> Future[SliceRecord]:
        futures.append(executor.submit(_run, partial(prepare_block, block, **how)))
        return futures[-1]

    def wait_for(future: Future[SliceRecord]) -> SliceRecord:
        while not future.done():
            look()
        return future.result()

    def add(disk_bytes: int) -> None:
        done[len(whole)] += disk_bytes

    try:
        for number, slice_ in enumerate(whole):
            work = partial(prepare_one, slice_, **how, on_progress=partial(_report, number))
            futures.append(executor.submit(_run, work))
        for slice_ in shared:
            slice_.check_unchanged()
            try:
                prepare_stream(
                    slice_,
                    **how,
                    on_progress=add,
                    submit=submit,
                    wait=wait_for,
                    ahead=processes + 1,
                    blocks=_blocks(slice_, settings, once_read),
                )
            except InputMissingError as error:
                lost[error.message] = None
        while not all(future.done() for future in futures):
            look()
        look()
        raise_missing(lost)
    except BrokenProcessPool as error:
        executor.shutdown(wait=True)
        raise _lost([process.exitcode for process in context.processes]) from error
    finally:
        stop.value = 1
        executor.shutdown(wait=True, cancel_futures=True)
        shield.close()


class _Context(SpawnContext):
    """Starts processes and remembers them: how one ended tells whether another try may help."""

    def __init__(self) -> None:
        super().__init__()
        self.processes: list[BaseProcess] = []

    def Process(self, *args: Any, **kwargs: Any) -> BaseProcess:  # type: ignore[override]  # noqa: N802 - its name
        self.processes.append(SpawnProcess(*args, **kwargs))
        return self.processes[-1]


def _lost(exit_codes: Iterable[int | None]) -> ElectraError:
    """The error for workers that have ended before they should.

    Args:
      exit_codes: Of all workers; of those that were only sent away with the pool, SIGTERM.
    """
    for code in exit_codes:
        if code is not None and (code > 0 or -code in _OWN_FAULTS):
            how = f"with exit code {code}" if code > 0 else f"by {signal.Signals(-code).name}"
            return TrainingError(
                f"a worker process ended by itself, {how}",
                hint="what it said stands above on stderr; with --workers 1 the same work is done "
                "in the command's own process, and finished slices are kept",
            )
    return TryAgainError(
        "a worker process was lost: it was killed, or the machine ran out of memory",
        hint="run the same command again, finished slices are kept; fewer --workers need "
        "less memory",
    )


def _prepare_here(
    slices: Sequence[Slice],
    how: _How,
    on_progress: Callable[[int], None],
    once_read: OnceReadBlocks | None,
    lost: dict[str, None],
    on_record: Callable[[SliceRecord], None],
) -> None:
    done = 0
    # A worker is one core's, and lists of new words are too short to be worth a pool of threads.
    os.environ["TOKENIZERS_PARALLELISM"] = "false"

    def add(disk_bytes: int) -> None:
        nonlocal done
        done += disk_bytes
        on_progress(done)

    for slice_ in slices:
        try:
            if slice_.comes_once:
                blocks = _blocks(slice_, how["settings"], once_read)
                prepare_stream(slice_, **how, on_progress=add, blocks=blocks)
            else:
                on_record(prepare_one(slice_, **how, on_progress=add))
        except InputMissingError as error:
            lost[error.message] = None


def raise_missing(lost: Iterable[str]) -> None:
    """Raises an error that names missing inputs, if there are any.

    Args:
      lost: Messages of their errors, all others are prepared.

    Raises:
      InputMissingError: There are.
    """
    if messages := list(lost):
        more = [f"and {len(messages) - _SHOWN:,} more"] if messages[_SHOWN:] else []
        raise InputMissingError(
            "; ".join(messages[:_SHOWN] + more),
            hint="what does not need it is prepared; put it back and run the same command again",
        )


def _blocks(
    slice_: Slice, settings: SliceSettings, once_read: OnceReadBlocks | None
) -> Iterator[Block] | None:
    return once_read.read(slice_, settings) if once_read and slice_.comes_once else None


def _divide(slices: Sequence[Slice], workers: int) -> tuple[list[Slice], list[Slice]]:
    """Slices that a worker prepares from end to end, and streams that all workers share.

    As long as there is a stream for each worker, each reads one of its own; the streams left over
    are read by this process, which hands their blocks round, and so is what only it can read.
    """
    streams = [slice_ for slice_ in slices if slice_.is_stream and not slice_.comes_once]
    shared = streams[len(streams) - len(streams) % workers :]
    shared += [slice_ for slice_ in slices if slice_.comes_once]
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
    slice_.check_unchanged()
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


class _StoppedError(BaseException):
    """Another slice failed, or the command was interrupted.

    Not an Exception, so that nothing on its way takes it for a fault of the input.
    """


# What `_start_worker` leaves for the other functions; a pool's arguments reach it alone.
_worker: dict[str, Any] = {"is_working": False}


def _start_worker(done: Any, stop: Any) -> None:
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    signal.signal(signal.SIGUSR1, _interrupt)
    _worker.update(done=done, stop=stop)
    threading.Thread(target=_watch_parent, daemon=True).start()


def _watch_parent() -> None:
    """Interrupts the work when the parent wants no more of it, and ends when it was killed.

    A pool's idle worker would outlive a killed parent for ever.
    """
    parent = multiprocessing.parent_process()
    assert parent is not None
    while parent.is_alive():
        if _worker["stop"].value:
            _thread.interrupt_main(signal.SIGUSR1)
        parent.join(_SECONDS_BETWEEN_LOOKS)
    os._exit(1)


def _interrupt(number: int, frame: object) -> None:
    if _worker["is_working"]:
        raise _StoppedError


def _run(work: Callable[[], SliceRecord]) -> SliceRecord:
    if _worker["stop"].value:
        raise _StoppedError
    _worker["is_working"] = True
    try:
        return work()
    finally:
        _worker["is_working"] = False


def _report(number: int, disk_bytes: int) -> None:
    _worker["done"][number] += disk_bytes
