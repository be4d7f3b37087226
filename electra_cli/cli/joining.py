"""The way into a cluster for a command: from then on one worker shows what there is to see."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from electra_cli.cli.screen.console import Terminal, speak_as
from electra_cli.cluster.acts import telling
from electra_cli.cluster.discovery.choice import find_cluster
from electra_cli.cluster.member import CHANNEL, Worker


@contextmanager
def joined(
    choice: str, folder: Path, *, timeout: float, terminal: Terminal
) -> Iterator[tuple[Worker, Terminal]]:
    """Makes this process one of the workers that its environment shows, while the block runs.

    Arguments and errors are those of `join`. A block that ends with an error has the others told.

    Args:
      choice: What `--cluster` says.
      folder: The folder in which the workers find each other.
      timeout: Seconds for all workers to come.
      terminal: What the command shows.

    Yields:
      The place among the workers, and what is to be shown here: of all but the chief only errors.
    """
    from electra_cli.cluster.join import join

    # What the supervisor says has its worker's name before it, too.
    found = find_cluster(choice, os.environ) if CHANNEL not in os.environ else None
    if found is not None and not found.is_chief:
        speak_as(f"worker {found.index}")
    worker = join(choice, folder, timeout=timeout, on_note=terminal.note)
    if not worker.is_chief:
        terminal = Terminal(silent=True)
        speak_as(f"worker {worker.index}")
    with telling(worker):
        yield worker, terminal
