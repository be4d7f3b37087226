"""A run folder made anew from a mirror: the newest whole checkpoint, and all that it needs."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from electra_cli.errors import DataError, IOFailedError, OutputError, counted
from electra_cli.files.atomic import DISK_IS_FULL, AtomicFile, atomic_write_bytes, sync_folder
from electra_cli.files.layout import (
    CHECKPOINTS_FOLDER,
    COMMIT_FILE,
    EVALUATION_FILE,
    checkpoint_name,
)
from electra_cli.files.remote.copying import Copied, fetch_all, is_inside, joined
from electra_cli.files.remote.faults import NotFoundError
from electra_cli.files.remote.store import Store, side_by_side
from electra_cli.runs.commit import fault_of, read_commit
from electra_cli.runs.lock import check_free, locked_writer
from electra_cli.runs.mirror.index import NEEDED, Index, read_again, read_index, read_own
from electra_cli.runs.run_folder import RunFolder


def restore_run(
    url: str,
    run: RunFolder,
    *,
    on_note: Callable[[str], None] = lambda text: None,
    on_warning: Callable[[str], None] = lambda text: None,
) -> None:
    """Makes a run folder of what its mirror holds, where there is no run yet.

    Of a mirror without a whole checkpoint nothing is made: a run begins. The same call again goes
    on where it was interrupted. What is not whole there loses its name in the mirror's index; a
    file that is missing ends it only if no run goes on without. The configuration comes last: with
    it the folder is a run.

    Args:
      url: The mirror.
      run: The run folder; one in which a run has begun stays as it is.
      on_note: Hears what is copied.
      on_warning: Hears of checkpoints that are damaged there, and of files that are missing.

    Raises:
      OutputError: The folder holds something else, or cannot be written, or the mirror cannot.
      DataError: No checkpoint there is whole, or the mirror is damaged or lacks what is needed.
      TryAgainError: Another process writes to the folder, or the store is out of reach.
      ElectraError: The store cannot be used, or the disk has no room.
    """
    if run.is_run:
        return
    store = Store.of(url)
    index = read_index(store, url)
    if index is None or index.newest is None:
        return
    own = read_own(run.mirror)
    if own is None or own.run != index.run:
        check_free(run)
    try:
        with locked_writer(run.path, lambda: True):  # what is copied is gone on with
            _restore(store, url, run, index, on_note, on_warning)
    except OSError as error:
        message = f"cannot write to {run.path}: {error.strerror}"
        if error.errno in DISK_IS_FULL:
            raise IOFailedError(message, hint="free some space, and run it again") from error
        raise OutputError(message, hint="choose another --model-dir") from error


def _restore(
    store: Store,
    url: str,
    run: RunFolder,
    index: Index,
    on_note: Callable[[str], None],
    on_warning: Callable[[str], None],
) -> None:
    atomic_write_bytes(run.mirror, Index(run=index.run).to_bytes())  # of what all else is
    run.checkpoints.mkdir(exist_ok=True)
    faults = {}
    for step in sorted(index.checkpoints, reverse=True):
        try:
            missing = _fetch(store, url, run, index, step, on_note)
            break
        except NotWholeError as error:
            faults[step] = error.message
            on_warning(f"step {step:,} is not whole in {url}: {error.message}")
    else:
        raise DataError(
            f"no checkpoint in {url} is whole: {'; '.join([*faults.values()][:3])}",
            hint="another --mirror and another --model-dir begin anew",
        )
    if index.best is not None and index.best < step:
        try:
            missing += _fetch(store, url, run, index, index.best, on_note)
        except NotWholeError as error:
            faults[index.best] = error.message
            on_warning(f"the best checkpoint is not whole in {url}: {error.message}")
    missing += _fetch_others(store, url, run, index)
    if missing:
        on_warning(f"{url} lacks {', '.join(missing)}: the run goes on without")
    if (faults or missing) and (now := read_index(store, url)) is not None:  # of who writes there
        now.without(faults, missing).write(store, url)
    for name in (name for name in NEEDED if name in index.files):
        try:
            _fetch_file(store, joined(url, name), run.path / name)
        except NotFoundError as error:
            raise DataError(
                f"{url} lacks {name}, and the run cannot go on without it",
                hint=f"copy the run's {name} there, if it is anywhere else; another --mirror and "
                "another --model-dir begin anew",
            ) from error


def _fetch_others(store: Store, url: str, run: RunFolder, index: Index) -> list[str]:
    """Copies what a run goes on without; the names of what is missing there."""

    def is_missing(name: str) -> bool:
        try:
            _fetch_file(store, joined(url, name), run.path / name)
        except NotFoundError:
            return True
        return False

    names = [
        name
        for name in index.files
        if name not in NEEDED and is_inside(name) and name.split("/")[0] != CHECKPOINTS_FOLDER
    ]
    found = side_by_side(is_missing, names)  # each that is missing takes a minute
    return [name for name, missing in zip(names, found, strict=True) if missing]


class NotWholeError(DataError):
    """A checkpoint that is damaged in its mirror."""


def _fetch(
    store: Store, url: str, run: RunFolder, index: Index, step: int, on_note: Callable[[str], None]
) -> list[str]:
    """Copies a checkpoint, which then has its name.

    Returns:
      The names of what is missing there and is not needed.

    Raises:
      NotWholeError: It is not whole there.
      DataError: A newer version wrote it.
    """
    final = run.checkpoints / checkpoint_name(step)
    if final.is_dir():  # of a call that was interrupted
        return []
    place = joined(url, f"{CHECKPOINTS_FOLDER}/{final.name}")
    folder = final.with_name(f".{final.name}.fetched")
    is_resumed = folder.is_dir()
    folder.mkdir(exist_ok=True)
    is_evaluated = step == index.best or EVALUATION_FILE in index.checkpoints.get(step, ())
    try:
        _fetch_into(folder, place, store, step, on_note, is_evaluated=is_evaluated)
    except (ValueError, NotFoundError) as error:
        shutil.rmtree(folder)
        if not is_resumed:
            raise NotWholeError(str(error)) from error
        # What was there may be of a former one.
        return _fetch(store, url, run, index, step, on_note)
    folder.rename(final)
    sync_folder(final.parent)
    if is_evaluated and not (final / EVALUATION_FILE).is_file():
        return [f"{CHECKPOINTS_FOLDER}/{final.name}/{EVALUATION_FILE}"]
    return []


def _fetch_into(
    folder: Path,
    place: str,
    store: Store,
    step: int,
    on_note: Callable[[str], None],
    *,
    is_evaluated: bool,
) -> None:
    """Copies what a checkpoint holds, and its evaluation if that is there.

    Raises:
      ValueError, NotFoundError: It is not whole there.
    """
    _fetch_file(store, joined(place, COMMIT_FILE), folder / COMMIT_FILE)
    commit = read_commit(folder)
    on_note(
        f"copying the checkpoint of step {step:,} from {place} to {folder.parent}, "
        f"{counted(sum(file.bytes for file in commit.files.values()), 'byte')}"
    )
    files = [
        Copied(joined(place, name), folder / Path(name).name, file.bytes, file.sha256)
        for name, file in commit.files.items()
    ]
    try:
        fetch_all(store, files, lambda done: None)
    except DataError as error:
        raise ValueError(error.message) from error
    with suppress(NotFoundError):
        evaluation = joined(place, EVALUATION_FILE)
        _fetch_file(store, evaluation, folder / EVALUATION_FILE, is_listed=is_evaluated)
    if (fault := fault_of(folder, step)) is not None:
        raise ValueError(fault)


def _fetch_file(store: Store, url: str, path: Path, *, is_listed: bool = True) -> None:
    def fetch() -> None:
        file = AtomicFile(path)
        try:
            with store.open(url, is_listed=is_listed) as stream:
                shutil.copyfileobj(stream, file.stream, 2**20)
            file.commit()
        finally:
            file.discard()

    path.parent.mkdir(parents=True, exist_ok=True)
    read_again(fetch)
