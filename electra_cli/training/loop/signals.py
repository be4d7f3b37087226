"""What signals do to a run: SIGTERM, SIGHUP and Ctrl-C.

Until there is something to save, a signal ends the command at once. After that it is only noted,
and the run stops where its state is whole: after a loop, between two batches of an evaluation.
"""

from __future__ import annotations

import os
import signal
import socket
import threading
from collections.abc import Callable
from typing import NoReturn, Self

from electra_cli.cluster.acts import ALONE, name_of
from electra_cli.cluster.member import Worker
from electra_cli.errors import StoppedError, Terminated

_SIGNALS = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)


class RunStoppedError(StoppedError):
    """A run that was told to stop, and has saved its state.

    Args:
      number: The signal.
      step: Where it stopped.
      where: The checkpoint.
      origin: The worker that it came to; empty if there is only one.
    """

    def __init__(self, number: int, step: int, where: object, origin: str = "") -> None:
        name, to = signal.Signals(number).name, f" to {origin}" if origin else ""
        again = " on all workers" if origin else ""
        super().__init__(
            f"stopped by {name}{to} at step {step}; checkpoint {where}",
            hint=f"run the same command again{again} to go on",
        )
        if number == signal.SIGINT:
            self.exit_code = 130


class StopRequestedError(Exception):
    """Unwinds a loop or an evaluation to where the state is saved."""


def _end(number: int) -> NoReturn:
    if number == signal.SIGINT:
        raise KeyboardInterrupt
    raise Terminated(signal.Signals(number).name)


class StopSignals:
    """Listens for signals while the block runs; those that were ignored before stay ignored.

    Args:
      on_stop: Hears once, from another thread, that the run will stop.

    Attributes:
      received: The signal on which the run is to stop; None if there was none.
      origin: The worker that it came to; empty if there is only one.
    """

    def __init__(self, on_stop: Callable[[str], None] = lambda text: None) -> None:
        self._on_stop = on_stop
        self._deferred = self._told = False
        self._interrupts = 0
        self.received: int | None = None
        self.origin = ""
        self._worker: Worker = ALONE

    def __enter__(self) -> Self:
        # Python runs a handler only when the main thread is back in Python, which a compiling
        # TensorFlow is not for long. The number arrives at this socket at once.
        self._reader, self._writer = socket.socketpair()
        self._writer.setblocking(False)
        self._before = {
            number: signal.signal(number, self._handle)
            for number in _SIGNALS
            if signal.getsignal(number) != signal.SIG_IGN
        }
        self._wakeup = signal.set_wakeup_fd(self._writer.fileno(), warn_on_full_buffer=False)
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        signal.set_wakeup_fd(self._wakeup)
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._writer.close()
        self._thread.join()
        self._reader.close()

    def listen_again(self) -> None:
        """Takes the signals back from a library that has put handlers of its own in their place."""
        for number in self._before:
            signal.signal(number, self._handle)

    def follow(self, worker: Worker) -> None:
        """From now on the run stops where all of its workers do: in the same call of `check`."""
        self._worker = worker

    def defer(self) -> None:
        """From now on there is a state to save; a signal that was lost on its way is obeyed."""
        self._deferred = True
        self._worker.ready()

    def check(self) -> None:
        """Raises if the run is to stop; called where its state is whole.

        Raises:
          StopRequestedError: It is, and there is a state to save.
          KeyboardInterrupt: It was lost on its way, and there is none.
          Terminated: The same of another signal than Ctrl-C.
        """
        self._worker.gather("stop", None)
        if (stop := self._worker.stop) is not None:
            self.received, self.origin = stop.signal, name_of(self._worker, stop.worker)
        if self.received is None:
            return
        if self._deferred:
            raise StopRequestedError
        _end(self.received)

    def _handle(self, number: int, frame: object) -> None:
        del frame
        # Noted in any case: Python drops what is raised while an object is being destroyed.
        self.received = self.received or number
        if not self._deferred:
            _end(number)

    def _watch(self) -> None:
        while data := self._reader.recv(64):
            for number in data:
                if number not in self._before or not self._deferred:
                    continue
                self._interrupts += number == signal.SIGINT
                if self._interrupts > 1:
                    os._exit(130)  # at once; what is half written has no name yet
                if not self._told:
                    self._told = True
                    self.received = self.received or number
                    text = f"{signal.Signals(number).name}: saving and stopping" + (
                        "; once more leaves at once" if number == signal.SIGINT else ""
                    )
                    # Not from this thread, which has to see the next one: nobody may be reading.
                    threading.Thread(target=self._on_stop, args=(text,), daemon=True).start()
