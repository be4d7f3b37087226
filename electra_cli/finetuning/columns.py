"""What is compared: checkpoints of one pretraining, random weights, a frozen encoder."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from electra_cli.errors import ConfigError
from electra_cli.metrics.scores.spread import Role
from electra_cli.runs.commit import read_commit
from electra_cli.runs.named import find_checkpoints
from electra_cli.runs.totals import totals_of
from electra_cli.sources.exportable import Exportable, open_own
from electra_cli.sources.open import is_ours

Weights = Mapping[str, npt.NDArray[Any]]


@dataclass(frozen=True)
class ColumnPlan:
    """One column of the table, trained once for each seed.

    Attributes:
      name: The folder of its runs.
      label: What people call it.
      role: model, random or probe.
      step: Pretraining steps; None where that is not known.
      source: Where the encoder's weights come from; None for random ones.
      flops: Of the pretraining; None where that is not known.
    """

    name: str
    label: str
    role: Role
    step: int | None
    source: Exportable | None
    flops: float | None = None

    @property
    def record(self) -> dict[str, Any]:
        """What each result of its runs says of it."""
        return {
            "column": self.name,
            "label": self.label,
            "role": self.role,
            "pretraining_steps": self.step,
            "pretraining_flops": self.flops,
        }

    @property
    def frozen(self) -> bool:
        """Whether only the head learns."""
        return self.role == "probe"


def plan_columns(
    item: Exportable,
    path: Path,
    *,
    every: bool = False,
    steps: Sequence[int] = (),
    random: bool = False,
    probe: bool = False,
) -> tuple[ColumnPlan, ...]:
    """Decides what is trained.

    Args:
      item: What SOURCE names.
      path: SOURCE.
      every: Every checkpoint of the run.
      steps: Checkpoints of these steps of the run.
      random: Also from random weights.
      probe: Also with the encoder as it is.

    Raises:
      ConfigError: SOURCE is no run, and several checkpoints are asked for; or there is no
        checkpoint of a step.
    """
    sources = _checkpoints(path, steps) if every or steps else [item]
    columns = [_model(source, path) for source in sources]
    if probe:
        newest = columns[-1]
        name, label = f"probe-{newest.name}", f"frozen encoder of {newest.label}"
        columns.append(replace(newest, name=name, label=label, role="probe"))
    if random:
        columns.append(ColumnPlan("random", "random weights", "random", None, None))
    return tuple(columns)


def _model(item: Exportable, path: Path) -> ColumnPlan:
    """The column of a model: of a run of ours by its step, which tells later checkpoints apart."""
    if item.checkpoint is None:
        return ColumnPlan("model", path.name or str(path), "model", None, item)
    step = item.checkpoint.step
    flops = totals_of(item.checkpoint.run, item.config, step).flops
    return ColumnPlan(f"step-{step}", f"step {step:,}", "model", step, item, flops)


def _checkpoints(path: Path, steps: Sequence[int]) -> list[Exportable]:
    if not is_ours(path):
        raise ConfigError(
            f"{path} is no run of electra: it has one set of weights",
            hint="leave out --all and --steps",
        )
    there = find_checkpoints(path, every=True)
    run = there[0].run
    if path.resolve() not in (run.path.resolve(), run.checkpoints.resolve()):
        raise ConfigError(
            f"{path} is one checkpoint, and --all and --steps compare those of a run",
            hint=f"name {run.path}, or leave them out",
        )
    found = {checkpoint.step: checkpoint for checkpoint in there}
    if missing := [step for step in steps if step not in found]:
        known = ",".join(map(str, found))
        raise ConfigError(
            f"--steps: {path} has no checkpoint of step {missing[0]}",
            hint=f"--steps {known}; `electra pretrain --set train.keep_every=N` keeps more",
        )
    wanted = sorted(set(steps)) if steps else list(found)
    return [open_own(found[step]) for step in wanted]


def weights_sha256(item: Exportable) -> str:
    """What tells the weights of a source from others.

    Raises:
      DataError: They cannot be read.
    """
    if item.checkpoint is not None and item.checkpoint.is_committed:
        return read_commit(item.checkpoint.path).state_sha256
    digest = hashlib.sha256()
    for name, array in sorted(encoder_weights(item).items()):
        digest.update(f"{name} {array.shape}\n".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def encoder_weights(item: Exportable) -> Weights:
    """The weights of a source's main network, by the names of their variables.

    Raises:
      DataError: They cannot be read.
    """
    from electra_cli.interop.weights import values_of

    values = values_of(item.load_model())
    return {name: array for name, array in values.items() if name.startswith("electra/")}
