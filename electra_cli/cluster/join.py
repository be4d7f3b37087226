"""The way into a cluster, for commands that train: one call, whichever process this is."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, MutableMapping, Sequence
from dataclasses import replace
from pathlib import Path

from electra_cli.cluster.discovery.choice import find_cluster
from electra_cli.cluster.member import Alone, Member, Worker
from electra_cli.cluster.protocol import Timing


class Supervised(SystemExit):
    """The trainer of this process has done the command's work, and has shown what came of it.

    Args:
      code: Its exit code.
    """


def join(
    choice: str,
    folder: Path,
    *,
    timeout: float,
    environment: MutableMapping[str, str] = os.environ,
    command: Sequence[str] | None = None,
    timing: Timing | None = None,
    on_note: Callable[[str], None] = lambda text: None,
) -> Worker:
    """Makes this process a part of the cluster that its environment shows.

    In the command that the user has started it starts the same command again as the trainer,
    watches over it and does not return. Call it before TensorFlow is imported.

    Args:
      choice: What `--cluster` says.
      folder: The run folder, which the chief makes.
      timeout: Seconds for all workers to come.
      environment: All variables.
      command: What the trainer runs; this command again by default.
      timing: How long to wait for anything else.
      on_note: Hears what is worth a line on the screen.

    Returns:
      In a trainer its place among the others, and without a cluster that of a process alone.

    Raises:
      Supervised: The trainer has ended, and has shown why.
      ConfigError: There is no such cluster, or its workers do not fit together.
      TryAgainError: A port is taken, or the supervisor of this trainer has ended.
      ElectraError: Another worker has failed or was lost; with exit code 75, if another try helps.
      KeyboardInterrupt, Terminated: A signal has come to a worker before there was a state to save.
    """
    if (member := Member.of_environment(environment)) is not None:
        return member
    cluster = find_cluster(choice, environment)
    if cluster is None:
        return Alone()
    # A process alone does without it.
    import asyncio

    from electra_cli.cluster.supervisor import Supervisor

    supervisor = Supervisor(
        cluster,
        folder,
        command=command or (sys.executable, "-P", "-m", "electra_cli", *sys.argv[1:]),
        environment=environment,
        timing=replace(timing or Timing(), rendezvous=timeout),
        on_note=on_note,
    )
    raise Supervised(asyncio.run(supervisor.run()))
