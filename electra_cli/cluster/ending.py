"""How a worker ends other than by its trainer: an error or a signal that all of them share."""

from __future__ import annotations

import signal
from dataclasses import asdict, dataclass
from typing import Any

from electra_cli.errors import ElectraError, Terminated

AGAIN = "start all workers again; the run goes on from its last checkpoint"
TRY_AGAIN = 75

# What may be the cause of the others' errors, from the surest to what may itself be one of them.
GONE, FAILED, PERHAPS = range(3)


@dataclass(frozen=True)
class End:
    """Why all workers end.

    Attributes:
      code: The exit code, of all but the culprit.
      message: What has happened; with a signal, which one and to whom.
      hint: What to do.
      culprit: The worker that it began at; None if it was no single one.
      signal: The signal that somebody has sent; None if nobody did.
    """

    code: int
    message: str
    hint: str = AGAIN
    culprit: int | None = None
    signal: int | None = None

    @classmethod
    def by_signal(cls, number: int, name: str) -> End:
        """The end by a signal to a worker, before there is anything to save."""
        code = 130 if number == signal.SIGINT else 143
        return cls(code, f"{signal.Signals(number).name} to {name}", "", signal=number)

    def error(self) -> BaseException:
        """What to raise for it."""
        if self.signal == signal.SIGINT:
            return KeyboardInterrupt()
        if self.signal is not None:
            return Terminated(self.message)
        error = ElectraError(self.message, hint=self.hint)
        error.exit_code = self.code
        return error

    def parts(self) -> dict[str, Any]:
        """It as the parts of a message."""
        return asdict(self)


def of_wait_status(name: str, code: int) -> tuple[int, str, str]:
    """What a trainer's end by itself says.

    Args:
      name: Of the worker.
      code: Its exit code; negative for the signal that killed it.

    Returns:
      GONE, FAILED or PERHAPS, a message and a hint.
    """
    if code >= 0:
        return (
            (PERHAPS if code == TRY_AGAIN else FAILED),
            f"{name} ended with exit code {code}",
            AGAIN,
        )
    try:
        killer = signal.Signals(-code).name
    except ValueError:
        killer = f"signal {-code}"
    hint = AGAIN
    if -code == signal.SIGKILL:
        hint = (
            "if nobody has killed it, its machine or container ran out of memory: dmesg says so; "
            "smaller batches need less. Then " + AGAIN
        )
    # TensorFlow aborts a process when it cannot reach another one.
    rank = PERHAPS if -code == signal.SIGABRT else GONE
    return rank, f"the trainer of {name} was killed by {killer}", hint
