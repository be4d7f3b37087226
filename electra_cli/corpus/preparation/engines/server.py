"""The process that forks workers; light to import, so that it can be started before all else."""

from __future__ import annotations

import multiprocessing
import signal
import sys
import tempfile
from collections.abc import Callable
from multiprocessing import forkserver, resource_tracker
from multiprocessing.process import BaseProcess
from types import ModuleType
from typing import Any

from electra_cli.environment import shielded_children

# The longest place for temporary files in which a socket can have its path of 107 bytes.
_LONGEST_PLACE = 64


def start_server() -> None:
    """Starts it, unless it runs; it imports what workers need while the caller goes on."""
    # And through it all that slices need; what trains vocabularies is imported where one is.
    preload = ["electra_cli.corpus.preparation.engines.local"]
    multiprocessing.get_context("forkserver").set_forkserver_preload(preload)
    # A fork would lose the threads that numpy starts for products of matrices.
    with shielded_children(OPENBLAS_NUM_THREADS="1"):
        place = tempfile.gettempdir()
        if len(place.encode()) > _LONGEST_PLACE:
            tempfile.tempdir = "/tmp"
        # Ctrl-C is the command's to handle: the server, and so all workers, begin with it blocked.
        # The tracker comes first, whose start would unblock it.
        resource_tracker.ensure_running()
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            forkserver.ensure_running()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
            tempfile.tempdir = place


def start_process(target: Callable[..., None], *arguments: Any) -> BaseProcess:
    """Forks a process that calls a function.

    Raises:
      EOFError, ConnectionError: The server has ended.
    """
    start_server()
    context = multiprocessing.get_context("forkserver")
    process = context.Process(target=target, args=arguments, daemon=True)
    # The script that was started would be run again in the new process.
    main, sys.modules["__main__"] = sys.modules["__main__"], ModuleType("__main__")
    try:
        process.start()
    finally:
        sys.modules["__main__"] = main
    return process
