"""What a report tells of a run, read from its folder alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from electra_cli.config.schema import Config
from electra_cli.corpus.shards.manifest import Manifest
from electra_cli.runs.metrics_file import History

if TYPE_CHECKING:
    from electra_cli.health.finding import Finding
    from electra_cli.metrics.baselines import Baselines
    from electra_cli.report.cost import Cost
    from electra_cli.report.published import Published
    from electra_cli.report.starts import Start
    from electra_cli.runs.held_out import HeldOut

State = Literal["finished", "running", "stopped", "begun"]


@dataclass(frozen=True)
class RunRecord:
    """A run as a report shows it. No text in it holds a secret; text of the corpus is not escaped.

    Attributes:
      folder: The run folder, to read and write in.
      place: The same as it may be shown.
      name: What tells it from the other runs of the report, as short as it can be.
      config: Its configuration.
      manifest: Of the data it was trained on; None if the folder has none that can be read.
      history: All lines of its metrics.jsonl. `history.train.steps`, [N] int64, and
        `history.train.column("disc_loss")`, [N] float64, NaN where there is no number, are curves;
        the same of `history.validation`.
      step: Updates that it has seen.
      state: finished, at its last step; running, a process writes to it; stopped, before its last
        step; begun, without any line yet.
      findings: What is, or was, wrong with it; ended ones too, by the step where they began.
      baselines: What its losses would be without learning.
      published: A published curve of the same model, batch and length of rows; else None.
      cost: What it took.
      starts: The processes, in their order; empty for a run that an older electra has trained.
      result: RUN/result.json; None if the run is not finished, or it cannot be read.
      held_out: Sentences as the newest evaluation saw them; None for none.
      initialized: RUN/init.json: what the first weights were; None for random ones.
      changes: What was changed on the way: the step, key, old and new value.
      commands: Command lines that do the same again: prepare-data, pretrain.
      remarks: What could not be read and is therefore missing, a sentence each.
    """

    folder: Path
    place: str
    name: str
    config: Config
    manifest: Manifest | None
    history: History
    step: int
    state: State
    findings: Sequence[Finding]
    baselines: Baselines
    published: Published | None
    cost: Cost
    starts: Sequence[Start]
    result: Mapping[str, Any] | None
    held_out: HeldOut | None
    initialized: Mapping[str, Any] | None
    changes: Sequence[tuple[int, str, Any, Any]]
    commands: Sequence[str]
    remarks: Sequence[str]
