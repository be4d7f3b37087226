"""The configuration of our task in Model Garden's dataclasses."""

from __future__ import annotations

import dataclasses
from typing import Any

from official.core import config_definitions as cfg
from official.modeling import hyperparams


@dataclasses.dataclass
class ElectraDataConfig(cfg.DataConfig):
    """One split of a prepared folder.

    Attributes:
      input_path: The folder `electra prepare-data` wrote.
      is_training: The endless training order, or one pass over the held-out rows.
      start_step: The step of the first training batch.
    """

    start_step: int = 0


@dataclasses.dataclass
class ElectraTaskConfig(cfg.TaskConfig):
    """What the task needs to know.

    Attributes:
      settings: A whole configuration, `electra_cli.config.schema.Config` as nested dictionaries.
      special_ids: The ids of pad, unk, cls, sep and mask.
      lanes: Parts of a batch that run side by side on the cores of a CPU.
    """

    settings: dict[str, Any] = dataclasses.field(default_factory=dict)
    special_ids: dict[str, int] = dataclasses.field(default_factory=dict)
    lanes: int = 1
    train_data: ElectraDataConfig = dataclasses.field(
        default_factory=lambda: ElectraDataConfig(is_training=True)
    )
    validation_data: ElectraDataConfig = dataclasses.field(
        default_factory=lambda: ElectraDataConfig(is_training=False)
    )


def plain(value: Any) -> Any:
    """Turns Model Garden's nested configuration objects back into dictionaries."""
    return value.as_dict() if isinstance(value, hyperparams.Config) else value
