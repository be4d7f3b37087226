"""Slices as a pipeline of Apache Beam: Beam schedules, and every slice writes its own files.

The workers need the inputs and the output folder under the same paths as the command. Nothing is
shuffled: a slice that Beam runs twice, at once or one after the other, writes the same bytes.
"""

from __future__ import annotations

import builtins
import io
import json
import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, wait
from contextlib import redirect_stderr
from functools import partial
from pathlib import Path
from typing import Any

from electra_cli.corpus.preparation.engines.local import raise_missing
from electra_cli.corpus.preparation.options import SliceSettings
from electra_cli.corpus.preparation.plan import Slice
from electra_cli.corpus.preparation.records import finished_record
from electra_cli.corpus.preparation.slices import prepare_slice
from electra_cli.environment import shielded_children
from electra_cli.errors import (
    ConfigError,
    DataError,
    InputMissingError,
    TrainingError,
    TryAgainError,
)
from electra_cli.files.atomic import DISK_IS_FULL, atomic_write_text
from electra_cli.files.layout import record_path

_SECONDS_BETWEEN_LOOKS = 0.5
# Runners hand several slices to the threads of one process, which share its tables of words.
_one_at_a_time = threading.Lock()
# Of code or of an installation, and none of it goes away by itself.
_MISTAKES = (ImportError, NameError, AttributeError, TypeError, LookupError, ValueError)


def check_beam(beam_args: Sequence[str]) -> None:
    """Makes sure that a pipeline can be made with these options.

    Raises:
      ConfigError: Beam is not installed, does not know an option, or refuses its value.
    """
    try:
        import apache_beam.options.pipeline_options
    except ImportError as error:
        raise ConfigError(
            "--engine beam needs Apache Beam, which is not installed",
            hint="pip install '.[beam]'",
        ) from error
    del apache_beam
    told = io.StringIO()
    try:
        with redirect_stderr(told):  # a wrong value prints all options that there are
            _pipeline(beam_args)
    except (ValueError, SystemExit) as error:
        reason = (told.getvalue().strip() or str(error)).splitlines()[-1]
        raise _refused(beam_args, reason) from error


def _pipeline(beam_args: Sequence[str]) -> Any:
    import apache_beam as beam
    from apache_beam.options.pipeline_options import PipelineOptions
    from apache_beam.runners.portability.fn_api_runner import FnApiRunner

    def refuse_unknown(parser: Any) -> None:
        """Beam itself only warns."""
        _, unknown = parser.parse_known_args(list(beam_args))
        if unknown:
            raise _refused(beam_args, f"it has no option {unknown[0]}")

    options = PipelineOptions(list(beam_args))
    options.get_all_options(add_extra_args_fn=refuse_unknown)
    # The name DirectRunner would begin with fetching another runner from the network.
    runner = None if any(arg.startswith("--runner") for arg in beam_args) else FnApiRunner()
    return beam.Pipeline(runner=runner, options=options)


def _refused(beam_args: Sequence[str], reason: str) -> ConfigError:
    return ConfigError(
        f"Beam refuses --beam-arg {' '.join(beam_args)}: {reason}",
        hint="see the pipeline options of the runner in Beam's documentation",
    )


def prepare_with_beam(
    slices: Sequence[Slice],
    *,
    settings: SliceSettings,
    on_progress: Callable[[int], None],
    beam_args: Sequence[str],
) -> None:
    """Does what `prepare_slices` does; the number of processes is in the arguments of Beam.

    Args:
      slices: See `prepare_slices`.
      settings: See `prepare_slices`.
      on_progress: See `prepare_slices`.
      beam_args: Pipeline options; without a runner among them Beam's own in this process.

    Raises:
      TryAgainError: The pipeline failed for a reason that is not in the input.
      TrainingError: It failed by a mistake that another try would repeat.
      OSError: The disk is full.
      DataError: The error of the first slice that failed.
      InputMissingError: Inputs are gone; all slices without them are prepared.
    """
    output = settings.output
    if not slices:
        return
    import apache_beam as beam

    pipeline = _pipeline(beam_args)
    _ = (
        pipeline
        | "slices" >> beam.Create(list(slices), reshuffle=True)
        | "prepare" >> beam.Map(partial(_run, settings=settings))
    )
    for slice_ in slices:
        _error_path(output, slice_.index).unlink(missing_ok=True)  # of an earlier call

    future: Future[None] = Future()
    # A daemon: a command that is told to end does not wait for the rest of the pipeline.
    thread = threading.Thread(target=_finish, args=(pipeline, future), daemon=True)
    with shielded_children():
        thread.start()
        while not future.done():
            _report(slices, settings, on_progress)
            wait([future], timeout=_SECONDS_BETWEEN_LOOKS)
    _raise_faults([_error_path(output, slice_.index) for slice_ in slices])
    if failure := future.exception():
        raise _failed(failure, output) from failure
    _report(slices, settings, on_progress)


def _finish(pipeline: Any, future: Future[None]) -> None:
    try:
        pipeline.run().wait_until_finish()
        future.set_result(None)
    except BaseException as error:
        future.set_exception(error)


def _failed(failure: BaseException, output: Path) -> Exception:
    """The error for a pipeline that failed; of one on a worker Beam often keeps only the text."""
    for number in DISK_IS_FULL:
        if f"[Errno {number}]" in str(failure):
            return OSError(number, os.strerror(number), str(output))
    told = (str(failure).strip() or type(failure).__name__).splitlines()[-1]
    named = getattr(builtins, told.partition(":")[0], None)
    kind = named if isinstance(named, type) else type(failure)
    if issubclass(kind, _MISTAKES):
        return TrainingError(
            f"the Beam pipeline failed, and would again: {told}",
            hint="the workers need the same Python and packages as this command; --debug shows all",
        )
    return TryAgainError(
        f"the Beam pipeline failed: {told}",
        hint="run the same command again, finished slices are kept; --debug shows all",
    )


def _run(slice_: Slice, *, settings: SliceSettings) -> int:
    """Prepares one slice on a worker of Beam; what is wrong with the input is left in a file.

    Beam tries a failed element again and then tells no more than a traceback.
    """
    try:
        with _one_at_a_time:
            prepare_slice(slice_, settings, lambda file, disk_bytes: None)
    except (DataError, InputMissingError) as error:
        fault = {"exit_code": error.exit_code, "message": error.message, "hint": error.hint}
        atomic_write_text(_error_path(settings.output, slice_.index), json.dumps(fault))
    return slice_.index


def _error_path(output: Path, index: int) -> Path:
    return record_path(output, index).with_suffix(".error")


def _raise_faults(paths: Sequence[Path]) -> None:
    faults = []
    for path in paths:
        if path.is_file():
            faults.append(json.loads(path.read_text(encoding="utf-8")))
            path.unlink()
    for fault in faults:
        if fault["exit_code"] == DataError.exit_code:
            raise DataError(fault["message"], hint=fault["hint"])
    raise_missing(dict.fromkeys(fault["message"] for fault in faults))


def _report(
    slices: Sequence[Slice], settings: SliceSettings, on_progress: Callable[[int], None]
) -> None:
    done = 0
    for slice_ in slices:
        record = finished_record(settings.output, slice_.index)
        if record and record.held_out_below == f"{settings.held_out_below:x}":
            done += slice_.disk_bytes
    on_progress(done)
