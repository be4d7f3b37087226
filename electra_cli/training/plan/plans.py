"""A run before it is one: what a dry run looks at, and what is then carried out."""

from __future__ import annotations

from dataclasses import dataclass

from electra_cli.cluster.addresses import Cluster
from electra_cli.config.schema import Config
from electra_cli.corpus.shards.manifest import Manifest
from electra_cli.runs.changes import Change
from electra_cli.runs.run_folder import Checkpoint, RunFolder
from electra_cli.training.devices.strategy import Device
from electra_cli.training.plan.branch import Branch
from electra_cli.training.plan.initial import Initial


@dataclass(frozen=True)
class DryPlan:
    """What has passed all checks that need no device; the run folder is as it was.

    Attributes:
      config: The configuration, with the vocabulary size of the data.
      device: What `--device` asks for.
      run: The run folder.
      stop: The last step, at most the horizon; None for no end.
      manifest: The data's manifest; None for no data.
      initial: The weights it begins from; None if they come from the seed or a checkpoint.
      changes: What differs from the configuration of the run's earlier starts.
      cluster: The workers that share the batch; None for one.
      frozen: The weights of a generator that learns nothing; None if it learns, or if they come
        from a checkpoint.
      branch: What it begins as a copy of; None if it is no branch.
    """

    config: Config
    device: Device
    run: RunFolder
    stop: int | None
    manifest: Manifest | None
    initial: Initial | None = None
    changes: tuple[Change, ...] = ()
    cluster: Cluster | None = None
    frozen: Initial | None = None
    branch: Branch | None = None

    @property
    def workers(self) -> int:
        """How many processes train together."""
        return self.cluster.size if self.cluster else 1

    @property
    def start(self) -> int:
        """The step it begins at; whether there are checkpoints nobody has looked yet."""
        return self.branch.record.step if self.branch else 0


@dataclass(frozen=True)
class RunPlan(DryPlan):
    """A dry plan that is carried out: its run folder is locked, and there is data.

    Attributes:
      resume: Where it goes on, for a branch that begins in the other run; None for a new run.
    """

    manifest: Manifest
    resume: Checkpoint | None = None

    @property
    def has_begun(self) -> bool:
        """Whether it has a checkpoint of its own."""
        return self.resume is not None and self.resume.run == self.run

    @property
    def start(self) -> int:
        """The step it begins at."""
        return self.resume.step if self.resume else 0
