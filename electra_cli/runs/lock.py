"""One writer for a run folder; TensorFlow is not imported.

The folder itself is locked, so the system frees it with the process, however that ends.
RUN/lock.json only says who holds the lock, or held it last; that it is there marks a run folder.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress

from electra_cli.files.holder import locked_by_name
from electra_cli.runs.role import Role
from electra_cli.runs.run_folder import RunFolder
from electra_cli.runs.writable import cannot_write


@contextmanager
def locked_run(run: RunFolder, *, in_cluster: bool = False) -> Iterator[None]:
    """Makes the run folder if there is none, and holds its lock.

    A folder that it has made and in which no run has begun is removed at the end.

    Args:
      run: The run folder.
      in_cluster: Whether several workers train this run together; the first holds the lock for all.

    Raises:
      OutputError: The folder cannot be made.
      IOFailedError: The disk is full.
      TryAgainError: Another process holds the lock; the message says which.
    """
    if in_cluster and not Role.of_environment().is_chief:
        yield
        return
    made = not run.path.is_dir()
    try:
        run.path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise cannot_write(run.path, error) from error
    with locked_by_name(run.path, run.lock):
        try:
            yield
        finally:
            if made and not run.is_run:
                with suppress(OSError):
                    run.lock.unlink()
                    run.path.rmdir()
