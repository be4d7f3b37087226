"""The mirror of a run while a command works on it; TensorFlow is not imported."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from electra_cli.cluster.acts import by_chief
from electra_cli.cluster.member import Worker
from electra_cli.errors import listed
from electra_cli.runs.mirror.mirror import Mirror
from electra_cli.runs.mirror.sending import Sender
from electra_cli.training.checkpoints.keeping import Keep
from electra_cli.training.loop.signals import StopSignals
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
      worker: Which of several workers this is; the chief mirrors.
      signals: Tell whether the end is near.
      warn: Hears that the mirror is not up to date.
      note: Hears what is waited for.

    Yields:
      The mirror; None where there is none.

    Raises:
      OutputError: It cannot be this run's, or another process writes there by now.
      TryAgainError: Something is missing in it at the end; the run folder is whole.
    """
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
    if not worker.is_chief:
        yield None
        return
    mirror = Mirror(url, run.path, sender, warn=warn, note=note)
    mirror.start()
    try:
        yield mirror
    except Exception as error:
        if (lack := mirror.finish(HASTE, lambda: None)) is not None:
            warn(lack.message)
            if hasattr(error, "hint"):
                error.hint = f"{error.hint}; {lack.hint}" if error.hint else lack.hint
        raise
    if (lack := mirror.finish(PATIENCE, lambda: HASTE if signals.received else None)) is not None:
        raise lack
