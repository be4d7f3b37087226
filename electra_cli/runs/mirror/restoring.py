"""A run folder made anew from a mirror: the newest whole checkpoint, and all that it needs."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from electra_cli.errors import DataError, IOFailedError, OutputError, counted
from electra_cli.files.atomic import DISK_IS_FULL, AtomicFile, atomic_write_bytes, sync_folder
from electra_cli.files.layout import (
    CHECKPOINTS_FOLDER,
    COMMIT_FILE,
    CONFIG_FILE,
    EVALUATION_FILE,
    checkpoint_name,
)
from electra_cli.files.remote.copying import Copied, fetch_all, is_inside, joined, read_if_there
from electra_cli.files.remote.faults import NotFoundError
from electra_cli.files.remote.store import Store
from electra_cli.runs.commit import fault_of, read_commit
from electra_cli.runs.lock import check_free, locked_writer
from electra_cli.runs.mirror.index import Index, read_index, read_own
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
    on where it was interrupted. What is not whole there loses its name in the mirror's index. The
    configuration comes last: with it the folder is a run.

    Args:
      url: The mirror.
      run: The run folder; one in which a run has begun stays as it is.
      on_note: Hears what is copied.
      on_warning: Hears of checkpoints that are damaged there.

    Raises:
      OutputError: The folder holds something else, or cannot be written, or the mirror cannot.
      DataError: No checkpoint there is whole, or the mirror is damaged.
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
            _fetch(store, url, run, step, on_note)
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
            _fetch(store, url, run, index.best, on_note)
        except NotWholeError as error:
            faults[index.best] = error.message
            on_warning(f"the best checkpoint is not whole in {url}: {error.message}")
    if faults and (now := read_index(store, url)) is not None:  # somebody may write there yet
        now.without(faults).write(store, url)
    # Changes before the configuration that they lead to, which is last.
    for name in sorted(index.files, key=lambda name: (name == CONFIG_FILE, name)):
        if not is_inside(name) or name.split("/")[0] == CHECKPOINTS_FOLDER:
            continue
        (run.path / name).parent.mkdir(parents=True, exist_ok=True)
        _fetch_file(store, joined(url, name), run.path / name)


class NotWholeError(DataError):
    """A checkpoint that is damaged in its mirror."""


def _fetch(
    store: Store, url: str, run: RunFolder, step: int, on_note: Callable[[str], None]
) -> None:
    """Copies a checkpoint, which then has its name.

    Raises:
      NotWholeError: It is not whole there.
      DataError: A newer version wrote it.
    """
    final = run.checkpoints / checkpoint_name(step)
    if final.is_dir():  # of a call that was interrupted
        return
    place = joined(url, f"{CHECKPOINTS_FOLDER}/{final.name}")
    folder = final.with_name(f".{final.name}.fetched")
    is_resumed = folder.is_dir()
    folder.mkdir(exist_ok=True)
    try:
        _fetch_into(folder, place, store, step, on_note)
    except (ValueError, NotFoundError) as error:
        shutil.rmtree(folder)
        if not is_resumed:
            raise NotWholeError(str(error)) from error
        _fetch(store, url, run, step, on_note)  # what was there may be of a former one
        return
    folder.rename(final)
    sync_folder(final.parent)


def _fetch_into(
    folder: Path, place: str, store: Store, step: int, on_note: Callable[[str], None]
) -> None:
    """Copies what a checkpoint holds.

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
    if (evaluation := read_if_there(store, joined(place, EVALUATION_FILE))) is not None:
        atomic_write_bytes(folder / EVALUATION_FILE, evaluation)
    if (fault := fault_of(folder, step)) is not None:
        raise ValueError(fault)


def _fetch_file(store: Store, url: str, path: Path) -> None:
    file = AtomicFile(path)
    try:
        with store.open(url, is_listed=True) as stream:
            shutil.copyfileobj(stream, file.stream, 2**20)
        file.commit()
    finally:
        file.discard()
