"""Preparing data with anything that can map: Ray, concurrent.futures, a queue of jobs.

These functions are stable. `plan` does what all slices need, `prepare_slice` one slice, anywhere
and in any order, and `finalize` the rest; what comes out has the bytes of `prepare-data`. What that
command prints on the way, its notes and warnings, goes to Python's `warnings`, each once a call.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from electra_cli.corpus.duplicates.outcome import DuplicateOptions
from electra_cli.corpus.preparation.engines.schedule import Schedule, stages_of
from electra_cli.corpus.preparation.engines.workers import Task
from electra_cli.corpus.preparation.options import PrepareOptions
from electra_cli.corpus.preparation.pipeline import prepare_data
from electra_cli.corpus.preparation.result import PreparedData, StageDone
from electra_cli.corpus.subword.brought import bring
from electra_cli.corpus.wordpiece.vocabulary_training import VocabularyOptions
from electra_cli.files.remote.place import Place, place

__all__ = [
    "DuplicateOptions",
    "Map",
    "PrepareOptions",
    "PreparedData",
    "Task",
    "VocabularyOptions",
    "finalize",
    "plan",
    "prepare_slice",
]

# Calls a function with each of some items, anywhere, and returns the results in any order.
Map = Callable[[Callable[[Any], Any], Sequence[Any]], Iterable[Any]]


def plan(
    inputs: Sequence[Path | str],
    output: Path | str,
    options: PrepareOptions | None = None,
    *,
    map: Map = map,
) -> list[Task]:
    """Does all that comes before slices: the plan, duplicates if they are looked for, a vocabulary.

    Args:
      inputs: Files, folders, patterns and URLs, which all that work must see.
      output: Folder to make, or to go on with; they must see it too, under the same path.
      options: How to prepare; the same for `finalize`.
      map: Does the passes over the text; what it is given can be pickled.

    Returns:
      What `prepare_slice` takes, for each slice that is not prepared yet; can be pickled.

    Warns:
      UserWarning: What one should know of the inputs and of a vocabulary that was brought.

    Raises:
      ElectraError: See `prepare_data`.
    """
    options = options or PrepareOptions()
    told, kept = _notes_of_vocabulary(options), list[Task]()
    needed = stages_of(duplicates=options.duplicates is not None, trains=options.vocab is None)
    try:
        for stage in needed[:-1]:
            engine = _Mapping(map, kept if stage == "prepare" else None)
            _prepare_data(inputs, output, options, Schedule(stage=stage), engine, told)
    finally:
        _warn(told)
    return kept


def prepare_slice(task: Task) -> str:
    """Prepares one slice: its shards and then its record are written, each whole or not at all.

    Twice, at once or one after the other, does no harm.

    Args:
      task: Of `plan`.

    Returns:
      Its name.

    Raises:
      DataError: Bad input, or not the input of the plan.
      InputMissingError: An input is gone.
      OSError: A shard cannot be written.
    """
    task.work(_say_nothing)
    return task.name


def finalize(
    inputs: Sequence[Path | str],
    output: Path | str,
    options: PrepareOptions | None = None,
    *,
    map: Map = map,
) -> PreparedData:
    """Writes the manifest, once all slices are prepared.

    Args:
      inputs: As of `plan`.
      output: As of `plan`.
      options: As of `plan`.
      map: Prepares slices again that hold the only document of the validation set, if need be.

    Returns:
      What is in the folder; `warnings` of it says what it should not be used for without a second
      look.

    Warns:
      UserWarning: What one should know of the inputs, as of those that are left out.

    Raises:
      TryAgainError: Slices are not prepared; it names them.
      ElectraError: See `prepare_data`.
    """
    told: list[str] = []
    try:
        schedule, options = Schedule(stage="finalize"), options or PrepareOptions()
        done = _prepare_data(inputs, output, options, schedule, _Mapping(map), told)
    finally:
        _warn(told)
    assert isinstance(done, PreparedData)
    return done


class _Mapping:
    """An `Engine` made of a map.

    Args:
      map_: Does the work.
      kept: Gains the tasks that read text, which are not done then; None does them too.
    """

    def __init__(self, map_: Map, kept: list[Task] | None = None) -> None:
        self._map = map_
        self._kept = kept

    def run(
        self, tasks: Iterable[Task], on_progress: Callable[[int], None]
    ) -> Iterator[tuple[Task, Any]]:
        """See `Engine`."""
        tasks = list(tasks)
        if self._kept is not None:
            self._kept += [task for task in tasks if task.file]
            tasks = [task for task in tasks if not task.file]
        for number, result in self._map(_done, [(n, task.work) for n, task in enumerate(tasks)]):
            yield tasks[number], result


def _done(numbered: tuple[int, Callable[..., Any]]) -> tuple[int, Any]:
    number, work = numbered
    try:
        return number, work(_say_nothing)
    except Exception as error:
        return number, error


def _say_nothing(file: str, disk_bytes: int) -> None:
    pass


def _prepare_data(
    inputs: Sequence[Path | str],
    output: Path | str,
    options: PrepareOptions,
    schedule: Schedule,
    engine: _Mapping,
    told: list[str],
) -> PreparedData | StageDone:
    return prepare_data(
        inputs=[_elsewhere(place(given)) for given in inputs],
        output=_elsewhere(Path(output)),
        options=options,
        schedule=schedule,
        engine=engine,
        on_note=told.append,
        on_warning=told.append,
    )


def _notes_of_vocabulary(options: PrepareOptions) -> list[str]:
    """What one should know of a vocabulary that is brought."""
    if options.vocab is None:
        return []
    brought = bring(options.vocab)
    if brought.options is not None:
        casing = {"lowercase": options.lowercase, "strip_accents": options.strip_accents}
        brought = bring(options.vocab, **casing)
    return brought.notes


def _warn(told: Sequence[str]) -> None:
    """Tells whoever called the function that calls this; stages tell some things again."""
    for text in dict.fromkeys(told):
        warnings.warn(text, stacklevel=3)


def _elsewhere(given: Place) -> Any:
    """The same for those that work in other folders."""
    return given.absolute() if isinstance(given, Path) else given
