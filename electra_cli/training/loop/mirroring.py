"""The mirror of a run while a command works on it; TensorFlow is not imported.

The chief mirrors. The other workers stay until that is over: a signal is heard only where all of
them meet, and they end alike, so that whatever starts one again starts all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from electra_cli.cluster.acts import ALONE, by_chief
from electra_cli.cluster.compare import check_same
from electra_cli.cluster.member import Worker
from electra_cli.errors import ElectraError, TrainingError, listed
from electra_cli.runs.mirror.mirror import Mirror
from electra_cli.runs.mirror.sending import Sender
from electra_cli.training.checkpoints.keeping import Keep
from electra_cli.training.loop.signals import RunStoppedError, StopSignals
from electra_cli.training.plan.plans import RunPlan

PATIENCE, HASTE = 3600.0, 60.0
"""Seconds for what the mirror lacks: of a finished run, and of one that a signal or error ends."""


@contextmanager
def mirroring(
    url: str | None,
    plan: RunPlan,
    worker: Worker,
    signals: StopSignals,
    *,
    warn: Callable[[str], None],
    note: Callable[[str], None],
) -> Iterator[Mirror | None]:
    """Keeps a mirror up to date while the block runs, and waits for it afterwards.

    Args:
      url: Where it is; None for no mirror.
      plan: The run, locked.
      worker: Which of several workers this is.
      signals: Tell whether the end is near.
      warn: Hears that the mirror is not up to date.
      note: Hears what is waited for.

    Yields:
      The mirror; None where there is none, as at all workers but the chief.

    Raises:
      ConfigError: The workers name different mirrors.
      OutputError: It cannot be this run's, or another process writes there by now.
      TryAgainError: Something is missing in it at the end; the run folder is whole.
    """
    check_same(worker, {"command": {"--mirror": url}})
    if url is None:
        yield None
        return
    train, run = plan.config.train, plan.run
    keep = Keep(train.keep_checkpoints, train.keep_every, train.best_metric)
    sender = Sender(url, run, newest=keep.newest, every=keep.every, best=lambda: keep.best(run))

    def claim() -> None:
        if (before := sender.claim()) is not None:
            note(f"{url} was written by {before}; from now on it is by this process")
        if sender.broken:
            steps = listed([f"{step:,}" for step in sorted(sender.broken, reverse=True)])
            warn(f"not whole in {url}: step {steps}; what is here of it is sent again")

    by_chief(worker, "mirror", claim)
    mirror = Mirror(url, run.path, sender, warn=warn, note=note) if worker.is_chief else None
    if mirror is not None:
        mirror.start()
    try:
        yield mirror
    except Exception as error:
        # Any other may be one of this worker alone, which has to tell the rest of it.
        together = isinstance(error, TrainingError | RunStoppedError)
        lack = _finished(mirror, worker if together else ALONE, signals, HASTE)
        if lack is not None:
            warn(lack.message)
            if isinstance(error, ElectraError):
                error.hint = f"{error.hint}; {lack.hint}" if error.hint else lack.hint
        raise
    lack = _finished(mirror, worker, signals, PATIENCE)

    def tell() -> None:
        if lack is not None:
            raise lack

    by_chief(worker, "mirrored", tell)


def _finished(
    mirror: Mirror | None, worker: Worker, signals: StopSignals, limit: float
) -> ElectraError | None:
    """Waits for what the mirror lacks; why it still does, at the chief."""

    def haste() -> float | None:
        worker.gather("copying", True)
        return HASTE if signals.received or worker.stop else None

    if mirror is None:
        while worker.gather("copying", None)[0]:
            pass
        return None
    lack = mirror.finish(limit, haste)
    worker.gather("copying", False)
    return lack
