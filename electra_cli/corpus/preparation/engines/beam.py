"""Tasks done as the elements of a pipeline of Apache Beam, whose answers come back as files.

A runner hands on no results while it runs, and of an error no more than the text of a traceback.
"""

from __future__ import annotations

import io
import logging
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, wait
from contextlib import contextmanager, redirect_stderr, suppress
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from electra_cli.corpus.preparation.engines.cluster import not_installed, told
from electra_cli.corpus.preparation.engines.errand import Errands, Perform, Ticket
from electra_cli.environment import shielded_children
from electra_cli.errors import ConfigError

_ANSWER = ".answer"


@contextmanager
def connected(
    engine_args: Sequence[str], on_warning: Callable[[str], None]
) -> Iterator[BeamCluster]:
    """Makes sure that a pipeline can be made with these options of it, `KEY=VALUE`.

    Args:
      engine_args: Of `--engine-arg`; a flag has an empty value. Without a runner among them Beam's
        own runs in this process.
      on_warning: Is not used.

    Raises:
      ConfigError: Beam is not installed, does not know an option, or refuses its value.
    """
    del on_warning
    options = [f"--{key}={value}" if value else f"--{key}" for key, value in told(engine_args)]
    try:
        with _without_asides():
            import apache_beam.options.pipeline_options
    except ImportError as error:
        raise not_installed("beam", "Apache Beam") from error
    del apache_beam
    words = io.StringIO()
    try:
        with redirect_stderr(words):  # a wrong value prints all options that there are
            _pipeline(options)
    except (ValueError, SystemExit) as error:
        reason = (words.getvalue().strip() or str(error)).splitlines()[-1]
        raise _refused(options, reason) from error
    with shielded_children():
        yield BeamCluster(options)


@contextmanager
def _without_asides() -> Iterator[None]:
    """Keeps back that a client of BigQuery is missing, which every import of Beam's core logs."""
    root = logging.getLogger()

    def is_kept(record: logging.LogRecord) -> bool:
        return not str(record.msg).startswith("apitools not found")

    root.addFilter(is_kept)
    try:
        yield
    finally:
        root.removeFilter(is_kept)


def _refused(options: Sequence[str], reason: str) -> ConfigError:
    return ConfigError(
        f"Beam refuses {' '.join(options)}: {reason}",
        hint="see the pipeline options of the runner in Beam's documentation; --engine-arg KEY= is "
        "an option without a value",
    )


def _pipeline(options: Sequence[str]) -> Any:
    import apache_beam as beam
    from apache_beam.options.pipeline_options import PipelineOptions
    from apache_beam.runners.portability.fn_api_runner import FnApiRunner

    def refuse_unknown(parser: Any) -> None:
        """Beam itself only warns."""
        _, unknown = parser.parse_known_args(list(options))
        if unknown:
            raise _refused(options, f"it has no option {unknown[0]}")

    options = [*map(_with_whole_name, options)]
    if any(option.endswith("DaskRunner") for option in options):
        # Else many tasks are one to Dask.
        options = ["--dask_partition_size=1", *options]
    parsed = PipelineOptions(options)
    parsed.get_all_options(add_extra_args_fn=refuse_unknown)
    named = [option for option in options if option.startswith("--runner=")]
    # The name DirectRunner would begin with fetching another runner from the network.
    runner = None if named and named != ["--runner=DirectRunner"] else FnApiRunner()
    return beam.Pipeline(runner=runner, options=parsed)


def _with_whole_name(option: str) -> str:
    """The name of a runner with that of its module, which is imported: so Beam finds its options.

    Of those in a package of their own Beam knows only some by their bare names.
    """
    key, _, name = option.partition("=")
    if key != "--runner":
        return option
    package = name.removesuffix("Runner").lower()
    module = f"apache_beam.runners.{package}.{package}_runner"
    with suppress(ImportError):
        if "." in name:
            import_module(name.rpartition(".")[0])
        elif find_spec(module):
            import_module(module)
            name = f"{module}.{name}"
    return f"--runner={name}"


def _filing(perform: Perform, folder: str) -> Callable[[Ticket], int]:
    """Makes the function that a worker calls; made here, it is sent as it is."""

    def perform_and_file(ticket: Ticket) -> int:
        import contextlib
        import pathlib
        import secrets

        number, answer = perform(ticket)
        temporary = pathlib.Path(folder, secrets.token_hex(8))
        with contextlib.suppress(FileNotFoundError):  # the command has ended
            temporary.write_bytes(answer)
            temporary.replace(pathlib.Path(folder, f"{number}.answer"))
        return number

    return perform_and_file


class BeamCluster:
    """See `Cluster`: all tasks are submitted at once, as one pipeline.

    Args:
      options: Of the pipeline.
    """

    name = "the Beam pipeline"
    at_once = most = sys.maxsize

    def __init__(self, options: Sequence[str]) -> None:
        self._options = options
        self._result: Any = None

    def submit(self, errands: Errands, tickets: Sequence[Ticket]) -> None:
        """See `Cluster`."""
        import apache_beam as beam

        self._folder, self._left = errands.folder, {number for number, *_ in tickets}
        self._future: Future[None] = Future()
        pipeline = _pipeline(self._options)
        _ = (
            pipeline
            | "tasks" >> beam.Create(list(tickets), reshuffle=True)
            | "perform" >> beam.Map(_filing(errands.perform, str(errands.folder)))
        )
        # A daemon: a command that is told to end does not wait for the rest of the pipeline.
        arguments = (pipeline, self._future)
        threading.Thread(target=self._run, args=arguments, daemon=True).start()

    def _run(self, pipeline: Any, future: Future[None]) -> None:
        try:
            self._result = pipeline.run()
            self._result.wait_until_finish()
            future.set_result(None)
        except BaseException as error:
            future.set_exception(error)

    def wait(self, seconds: float) -> list[tuple[int, bytes]]:
        """See `Cluster`."""
        is_over = bool(wait([self._future], seconds).done)
        # Lists of folders on a network lag behind; when all are there, they are asked for by name.
        numbers = self._left if is_over else self._listed()
        found = []
        for number in sorted(numbers):
            path = self._folder / f"{number}{_ANSWER}"
            with suppress(FileNotFoundError):
                found.append((number, path.read_bytes()))
                path.unlink()
        self._left.difference_update(number for number, _ in found)
        if is_over and not found:
            raise self._future.exception() or RuntimeError("it has ended before its tasks")
        return found

    def _listed(self) -> set[int]:
        return {int(path.stem) for path in self._folder.glob(f"*{_ANSWER}")}

    def has_workers(self) -> bool:
        """See `Cluster`; only the runner knows."""
        return True

    def cancel(self) -> None:
        """See `Cluster`; not every runner can."""
        with suppress(Exception):
            self._result.cancel()
