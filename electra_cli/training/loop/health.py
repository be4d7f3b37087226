"""What is found wrong while a run trains, and the end of a run that is to stop on it.

TensorFlow is not imported: a second start of a run that was stopped says so at once.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from electra_cli.cluster.acts import ALONE
from electra_cli.cluster.member import Worker
from electra_cli.config.nearest import did_you_mean
from electra_cli.errors import ConfigError, TrainingError
from electra_cli.health import FINDINGS
from electra_cli.health.facts import Facts
from electra_cli.health.finding import Finding
from electra_cli.health.monitor import Monitor, without_repeats
from electra_cli.health.rules import RULES
from electra_cli.runs.changes import former_configs
from electra_cli.runs.metrics_file import read_history
from electra_cli.training.plan.plans import RunPlan

# What some findings cannot come without: a value that is enough, and what its lack means.
_NEEDED: dict[str, tuple[Any, str]] = {
    "has_discriminator": (True, "objective mlm has no discriminator"),
    "unigram_loss": (1.0, "the data does not tell the frequencies of its held-out tokens"),
    "validation_examples": (1, "the data has no held-out rows"),
}


@dataclass(frozen=True)
class Health:
    """The health of a run that trains.

    Attributes:
      monitor: Has seen what the run wrote up to the step that it goes on from.
      stop_on: Names of the findings that end it.
      written: Names of those that hold and have a line in metrics.jsonl. What the configuration
        shows may be new: it may have changed.
      worker: Which of several workers this is; what the chief finds ends all.
    """

    monitor: Monitor
    stop_on: Collection[str] = ()
    written: Collection[str] = ()
    worker: Worker = ALONE

    @classmethod
    def of(cls, plan: RunPlan, stop_on: Collection[str] = (), worker: Worker = ALONE) -> Health:
        """The health of a run up to where it goes on; of lines that cannot be read nothing."""
        before = plan.config.replaced({key: was for key, was, _ in plan.changes})
        former = [*former_configs(before, plan.run.changes)]
        if plan.changes:  # they are not recorded yet
            former.insert(0, (plan.start, before))
        monitor = Monitor(Facts.of(plan.config, plan.manifest, former))
        states: dict[str, str] = {}
        if plan.resume is not None:
            with suppress(OSError):
                for line in without_repeats(read_history(plan.run.metrics).lines):
                    if line["step"] <= plan.start:
                        monitor.see(line)
                        if line["kind"] == "finding":
                            states[str(line.get("name"))] = str(line.get("state"))
        written = [name for name, state in states.items() if state == "begins"]
        return cls(monitor, stop_on, written, worker)

    @property
    def fatal(self) -> Finding | None:
        """Something that holds and on which the run is to stop; None if it may go on."""
        return next((f for f in self.monitor.open if f.name in self.stop_on), None)

    def check(self, step: int, save: Callable[[], Path]) -> None:
        """Ends a run that is to stop on something that holds.

        Args:
          step: Updates done.
          save: Saves their state, if that is not done yet, and returns the checkpoint.

        Raises:
          TrainingError: It is to stop.
          IOFailedError: The state could not be saved.
        """
        verdict = self.worker.of_chief("health", self._verdict())
        if verdict is not None:
            what, hint = verdict
            message = f"stopped at step {step:,} on {what}; checkpoint {save()}"
            raise TrainingError(message, hint=hint)

    def _verdict(self) -> tuple[str, str] | None:
        """On what the run is to stop, and what to do then; None if it may go on."""
        if (finding := self.fatal) is None:
            return None
        return (
            f"{finding.name}: {finding.title} ({finding.evidence}; since step {finding.since:,})",
            f"{finding.advice}; to go on with this run all the same, leave out "
            f"--stop-on {finding.name}",
        )


def check_names(names: Collection[str]) -> None:
    """Refuses names of findings that there are not.

    Raises:
      ConfigError: There is no such finding.
    """
    for name in names:
        if name not in FINDINGS:
            raise ConfigError(
                f"--stop-on {name}: there is no such finding",
                hint=did_you_mean(name, FINDINGS, form="--stop-on {}"),
            )


def check_possible(names: Collection[str], facts: Facts) -> None:
    """Refuses findings that a run can never have: a guard that never acts would go unseen.

    Args:
      names: Findings.
      facts: Of the run; what data that is not known yet may have, it is taken to have.

    Raises:
      ConfigError: There is one.
    """
    enough = replace(facts, **{field: value for field, (value, _) in _NEEDED.items()})
    if facts.examples is None:
        facts = replace(enough, has_discriminator=facts.has_discriminator)
    for rule in (one for one in RULES if one.name in names and one.applies(enough)):
        for field, (_, lack) in _NEEDED.items():
            has = getattr(facts, field)
            if not has and not rule.applies(replace(enough, **{field: has})):
                raise ConfigError(
                    f"--stop-on {rule.name}: this run can never have that finding: {lack}",
                    hint=f"leave out --stop-on {rule.name}",
                )
