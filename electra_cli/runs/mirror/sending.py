"""What is sent to a mirror, in which order, and what is deleted there.

Checkpoints never change once they have their names: their files are sent as they are, and their
commit file last. The other files are sent whole whenever they have changed. Then the index names
what is there.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from electra_cli.errors import ElectraError, OutputError, format_duration
from electra_cli.files import layout
from electra_cli.files.atomic import atomic_write_bytes
from electra_cli.files.remote.copying import joined, read_if_there, sizes_in
from electra_cli.files.remote.faults import NotFoundError
from electra_cli.files.remote.store import Store
from electra_cli.runs.commit import parse_commit
from electra_cli.runs.mirror.index import NEEDED, Index, Writer, read_index, read_own
from electra_cli.runs.run_folder import Checkpoint, RunFolder

_OWN = (layout.RUN_LOCK_FILE, layout.MIRROR_FILE)  # what each copy of a run has for itself
_CHECKPOINTS = f"{layout.CHECKPOINTS_FOLDER}/"
_OTHER = "name another --mirror, or leave it out"
_LARGE = 2**24  # bytes that are held in memory at most


class DisplacedError(OutputError):
    """Another process writes to the mirror."""


class Sender:
    """Writes to the mirror of a run folder; `claim` it first.

    Args:
      url: Where it is.
      run: The run folder, locked.
      newest: How many of the newest checkpoints stay there.
      every: Every checkpoint at a multiple of it stays, for ever; None for none.
      best: Returns the best checkpoint, which stays; None for none.

    Attributes:
      held: The checkpoint that is being read; it has to stay until that is over.
      broken: Steps that were not whole though the index named them; those here are sent again.
    """

    def __init__(
        self,
        url: str,
        run: RunFolder,
        *,
        newest: int,
        every: int | None = None,
        best: Callable[[], Path | None] = lambda: None,
    ) -> None:
        self._url, self._run = url.rstrip("/"), run
        self._keep_newest, self._keep_every, self._best = newest, every, best
        self._index = Index()
        self._seen: dict[str, tuple[int, int]] = {}  # files as they were when they were sent
        self._sent: set[Path] = set()  # of a checkpoint that is not whole yet
        self._left: dict[int, list[str]] = {}  # objects that the index does not name
        self.held: Path | None = None
        self.broken: list[int] = []

    def claim(self) -> Writer | None:
        """Makes this process the one that writes to the mirror.

        It takes the mirror over from the one before it, which may have vanished without a word. If
        that still lives, it finds out before it next writes.

        Returns:
          The one before it.

        Raises:
          OutputError: The mirror is of another run or ahead of this one, the place holds something
            else, or nobody may write there.
          DataError: Its index is damaged.
          ElectraError: The store cannot be used or reached.
        """
        store = Store.of(self._url)
        index, own = read_index(store, self._url), read_own(self._run.mirror)
        run = (own or Index()).run
        sizes = sizes_in(store, self._url)
        if index is None and sizes:
            raise OutputError(f"{self._url} holds something that is no mirror", hint=_OTHER)
        if index is None or (index.run != run and index.newest is None):
            index = Index(run=run)  # whoever began there has nothing that could be lost
        elif index.run != run:
            raise OutputError(
                f"{self._url} is the mirror of another run than {self._run.path}",
                hint=f"{_OTHER}; a --model-dir that is not there yet goes on with the other run",
            )
        else:
            here = {one.step: one for one in self._run.all_checkpoints() if one.is_committed}
            self._check_same_course(store, index, here)  # so what has other sizes is damaged
            self._find_broken(store, index, sizes)
            index = index.without(self.broken)
            self._check_not_ahead(index, here)
        for name in sizes:
            folder, _, file = name.removeprefix(_CHECKPOINTS).partition("/")
            step = layout.step_of(folder)
            if step is not None and step not in index.checkpoints:
                self._left.setdefault(step, []).append(file)
        self._index = index.model_copy(update={"writer": Writer.here()})
        self._index.write(store, self._url)
        return index.writer

    def _check_same_course(self, store: Store, index: Index, here: dict[int, Checkpoint]) -> None:
        """Refuses a mirror that knows something else of the run than its folder does."""
        for common in sorted(index.checkpoints.keys() & here.keys(), reverse=True):
            name = f"{_CHECKPOINTS}{layout.checkpoint_name(common)}/{layout.COMMIT_FILE}"
            place = joined(self._url, name)
            try:
                there = parse_commit(read_if_there(store, place) or b"", place).state_sha256
            except ValueError:
                self.broken.append(common)
                continue
            if there != here[common].state_sha256:
                raise OutputError(
                    f"{self._url} and {self._run.path} have other weights at step {common:,}: "
                    "from there on they are two runs",
                    hint=f"{_OTHER}; --model-dir FOLDER with one that is not there yet goes on "
                    "from it",
                )
            return

    def _find_broken(self, store: Store, index: Index, sizes: dict[str, int]) -> None:
        """Compares what the index names with what is there, and with the sizes here."""
        for step, names in index.without(self.broken).checkpoints.items():
            for name in {*names} - {layout.EVALUATION_FILE}:  # which may be another by now
                place = f"{_CHECKPOINTS}{layout.checkpoint_name(step)}/{name}"
                path = self._run.path / place
                size = path.stat().st_size if path.is_file() else sizes.get(place)
                if size is not None and sizes.get(place) == size:
                    continue
                with suppress(NotFoundError):  # the listing may lag behind
                    there = store.entry(joined(self._url, place), is_listed=True)
                    if size in (None, there.size):
                        continue
                self.broken.append(step)
                break

    def _check_not_ahead(self, index: Index, here: dict[int, Checkpoint]) -> None:
        """Refuses a mirror that knows more of the run than its folder does."""
        newest = index.newest
        if newest is not None and newest > max(here, default=-1):
            raise OutputError(
                f"{self._url} is ahead of {self._run.path}: step {newest:,} is whole there, "
                f"{max(here, default=0):,} here",
                hint="--model-dir FOLDER with one that is not there yet goes on from the mirror",
            )

    def copy(self, on_late: Callable[[str], None] = lambda text: None) -> None:
        """Copies all that is new.

        Args:
          on_late: Hears of a copy that took longer than the run to its next checkpoint.

        Raises:
          DisplacedError: Another process writes to the mirror by now.
          ElectraError: The store cannot be used or reached. If it refuses only what a run goes on
            without, all else is copied first.
          OSError: The same of a file that cannot be read.
        """
        if not self._run.is_run:
            return
        store = Store.of(self._url)
        self._check_writer(store)
        if not self._run.mirror.is_file():
            atomic_write_bytes(self._run.mirror, Index(run=self._index.run).to_bytes())
        while True:
            lack = self._send_files(store)  # before each checkpoint: a copy may take long
            if (checkpoint := self._next()) is None:
                break
            is_newest = checkpoint.step > max(self._index.checkpoints, default=-1)
            begun = time.monotonic()
            self._send_checkpoint(store, checkpoint)
            newer = self._next()
            if is_newest and newer is not None and newer.step > checkpoint.step:
                on_late(
                    f"copying step {checkpoint.step:,} to {self._url} took "
                    f"{format_duration(time.monotonic() - begun)}, and before that was over step "
                    f"{newer.step:,} was saved"
                )
            self._prune(store)
        self._prune(store)  # what a process before this one has left
        if lack is not None:
            raise lack

    def _check_writer(self, store: Store) -> None:
        found = read_index(store, self._url)
        if found is None or found.writer != self._index.writer:
            by = "nobody" if found is None else f"{found.writer}"
            raise DisplacedError(
                f"{self._url} is now written by {by}: this process writes nothing there any more",
                hint="end one of both; with an empty --model-dir the run goes on from the mirror",
            )

    def _write_index(self, store: Store, **changed: Any) -> None:
        best = self._best()
        step = None if best is None else layout.step_of(best.name)
        checkpoints = changed.get("checkpoints", self._index.checkpoints)
        files = {name for name in self._seen if not name.startswith(_CHECKPOINTS)}
        index = self._index.model_copy(
            update={
                # The best one may be on its way yet.
                "best": step if step is None or step in checkpoints else self._index.best,
                "files": sorted(files.union(self._index.files)),
                **changed,
            }
        )
        if index != self._index:
            self._check_writer(store)
            index.write(store, self._url)
            self._index = index

    def _files(self) -> Iterator[tuple[str, Path]]:
        """What may change, by its name in the run folder, the configuration last."""
        found = {}
        for folder, folders, names in os.walk(self._run.path):
            place = Path(folder)
            folders[:] = [name for name in folders if not name.startswith(".")]
            if place.parent == self._run.checkpoints:
                is_whole = layout.step_of(place.name) in self._index.checkpoints
                names = [layout.EVALUATION_FILE] if is_whole else []
            elif place == self._run.checkpoints:  # of an older electra
                names = []
            for path in (place / name for name in names if not name.startswith(".")):
                name = path.relative_to(self._run.path).as_posix()
                if name not in _OWN and path.is_file():
                    found[name] = path
        yield from sorted(found.items(), key=lambda one: (one[1] == self._run.config, one[0]))

    def _send_files(self, store: Store) -> OSError | OutputError | None:
        """Sends what has changed; why one that no run needs could not be sent, if that is so."""
        lack: OSError | OutputError | None = None
        for name, path in self._files():
            try:
                stat = path.stat()
                if self._seen.get(name) == (stat.st_size, stat.st_mtime_ns):
                    continue
                if stat.st_size > _LARGE:
                    store.upload(path, joined(self._url, name))
                else:
                    store.write(joined(self._url, name), path.read_bytes())
                self._seen[name] = stat.st_size, stat.st_mtime_ns
            except FileNotFoundError:  # it has gone
                continue
            except (OSError, OutputError) as error:
                if name in NEEDED:
                    raise
                lack = error
        return lack

    def _next(self) -> Checkpoint | None:
        """The newest checkpoint that is not whole in the mirror."""
        for one in reversed(self._run.all_checkpoints()):
            if one.is_committed and one.step not in self._index.checkpoints:
                return one
        return None

    def _send_checkpoint(self, store: Store, checkpoint: Checkpoint) -> None:
        """Sends a checkpoint, its commit file last; one that the run deletes meanwhile is left."""
        folder = checkpoint.path
        self.held = folder
        try:
            found = sorted(
                (p for p in folder.iterdir() if p.is_file() and not p.name.startswith(".")),
                key=lambda path: (path.name == layout.COMMIT_FILE, path.name),
            )
            for path in found:
                if path not in self._sent:
                    url = joined(self._url, path.relative_to(self._run.path).as_posix())
                    store.upload(path, url)
                    self._sent.add(path)
        except (OSError, ElectraError):
            if folder.is_dir():
                raise
            return
        finally:
            self.held = None
        self._sent.difference_update(found)
        self._left.pop(checkpoint.step, None)
        names = [path.name for path in found]
        self._write_index(store, checkpoints={**self._index.checkpoints, checkpoint.step: names})

    def _prune(self, store: Store) -> None:
        """Deletes in the mirror what the run has deleted; newer ones are whole there by now."""
        whole = self._index.checkpoints
        stay = {one.step for one in self._run.all_checkpoints()} | {self._index.best}
        stay.update(sorted(whole)[-self._keep_newest :])
        if self._keep_every is not None:
            stay.update(step for step in whole if step % self._keep_every == 0)
        # First the index: it names nothing that is not there.
        gone = {step: names for step, names in whole.items() if step not in stay}
        kept = {step: names for step, names in whole.items() if step in stay}
        self._left |= gone
        self._write_index(store, checkpoints=kept)
        newest = max(kept, default=-1)
        for step in sorted(step for step in self._left.keys() - stay if step < newest):
            names = {*self._left[step], layout.EVALUATION_FILE}
            for name in sorted(names, key=lambda name: (name != layout.COMMIT_FILE, name)):
                store.delete(
                    joined(self._url, f"{_CHECKPOINTS}{layout.checkpoint_name(step)}/{name}")
                )
            del self._left[step]
