"""What can happen to the workers of a cluster, when, and what they promise to make of it."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from electra_cli.files.layout import CLUSTER_TOKEN_PATTERN
from electra_cli.runs.run_folder import RunFolder
from tests.chaos.crew import Crew, CrewMember, send

TRY_AGAIN = 75
SUPERVISOR, TRAINER, BOTH, EVERYBODY = "supervisor", "trainer", "both", "everybody"
_STOPS = {signal.SIGTERM: 143, signal.SIGHUP: 143, signal.SIGINT: 130}


@dataclass(frozen=True)
class Blow:
    """Something that happens to a worker.

    Attributes:
      name: What it is, in a few words.
      signal: What is sent; None if nothing is.
      to: Which processes get it: those of the worker that is struck, or those of all.
    """

    name: str
    signal: signal.Signals | None = None
    to: str = SUPERVISOR

    def strike(self, crew: Crew, victim: int) -> list[CrewMember]:
        """Lets it happen; a trainer that is not there is struck in its supervisor.

        Returns:
          The workers whose supervisor stands still from now on.
        """
        frozen: list[CrewMember] = []
        if self is DROPPED:
            crew.drop()
        if self.signal is None:
            return frozen
        for member in crew.members if self.to == EVERYBODY else [crew.members[victim]]:
            trainers = [] if self.to == SUPERVISOR else member.trainers()
            alone = [] if self.to == TRAINER and trainers else [member.pid]
            for pid in (*alone, *trainers):
                send(pid, self.signal)
            if self.signal == signal.SIGSTOP and alone:
                frozen.append(member)
        return frozen

    def promised(self, member: CrewMember, victim: int, *, have_met: bool) -> set[int]:
        """The exit codes that a worker may end with, if the run has not ended well before."""
        is_struck = member.index == victim or self.to == EVERYBODY
        if self.signal in _STOPS and have_met:
            return {_STOPS[self.signal]}
        if self.signal in _STOPS:
            # Python itself may not have begun to listen; those who are not there yet hear nothing.
            return {_STOPS[self.signal], *((1, -self.signal) if is_struck else (TRY_AGAIN,))}
        if self.signal == signal.SIGKILL and is_struck and not (have_met and self.to == TRAINER):
            return {-signal.SIGKILL}
        return {TRY_AGAIN}

    def blamed(self, member: CrewMember, victim: int) -> int:
        """The worker that another one names if it ends with 75."""
        return 1 - member.index if self is DROPPED else victim


ABSENT = Blow("never started")
DROPPED = Blow("packets dropped")
BLOWS = (
    *(Blow(f"SIGKILL {to}", signal.SIGKILL, to) for to in (SUPERVISOR, TRAINER)),
    *(Blow(f"SIGSTOP {to}", signal.SIGSTOP, to) for to in (SUPERVISOR, TRAINER, BOTH)),
    *(Blow(f"{number.name} {SUPERVISOR}", number) for number in _STOPS),
    Blow(f"SIGTERM {EVERYBODY}", signal.SIGTERM, EVERYBODY),  # as Slurm does
    ABSENT,
    *([DROPPED] if os.geteuid() == 0 else []),  # who may make networks
)


class Watch:
    """What a start of a run has come to, seen from outside.

    Args:
      crew: Its workers.
      folder: The run folder, as an earlier start has left it.
    """

    def __init__(self, crew: Crew, folder: Path) -> None:
        self._crew = crew
        self._folder = folder
        self._metrics = RunFolder(folder).metrics
        self._tokens = self._tokens_now()
        self._seen = len(_text(self._metrics))

    def lines(self, kind: str) -> list[int]:
        """The steps of what this start has logged."""
        texts = _text(self._metrics)[self._seen :].splitlines(keepends=True)
        lines = [json.loads(text) for text in texts if text.endswith("\n") and text.strip()]
        return [line["step"] for line in lines if line["kind"] == kind]

    def meets(self) -> bool:
        return not self._tokens_now() <= self._tokens

    def _tokens_now(self) -> set[str]:
        return set(map(_text, self._folder.glob(CLUSTER_TOKEN_PATTERN))) - {""}

    def have_met(self) -> bool:
        """Whether there is a trainer, which is started after the meeting."""
        return any(member.trainers() for member in self._crew.members)

    def saves(self) -> bool:
        return any(RunFolder(self._folder).checkpoints.glob(".ckpt-*"))

    def is_finished(self) -> bool:
        return RunFolder(self._folder).result.exists()


EVALUATE_EVERY = 8
MOMENTS: dict[str, tuple[Callable[[Watch], bool], float]] = {
    "at the start": (lambda seen: True, 1.0),
    "at the meeting": (Watch.meets, 0.5),
    "at the import of TensorFlow": (Watch.have_met, 5.0),
    "at the compilation": (lambda seen: bool(seen.lines("start")), 5.0),
    "between steps": (lambda seen: bool(seen.lines("train")), 0.5),
    "in an evaluation": (
        lambda seen: any(step % EVALUATE_EVERY == 0 for step in seen.lines("train")),
        2.0,
    ),
    "in a save": (Watch.saves, 0.05),
    "at the end": (Watch.is_finished, 0.5),
}
"""What is waited for, and the most seconds from there to the blow."""


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""
