"""Names our optimizer and schedule in Model Garden's registries, so that its YAML can ask for them.

optimizer_config:
  optimizer: {type: electra_adamw, electra_adamw: {weight_decay: 0.01}}
  learning_rate: {type: electra, electra: {initial_learning_rate: 5e-4, ...}}
  learning_rate: {type: electra_course, electra_course: {schedule: wsd, ...}}
"""

from __future__ import annotations

import dataclasses
from typing import Any

from official.modeling import optimization
from official.modeling.hyperparams import base_config
from official.modeling.optimization import optimizer_factory
from official.modeling.optimization.configs import optimizer_config

from electra_cli.config.finetune import FinetuneOptimizerConfig
from electra_cli.config.schema import Config
from electra_cli.config.sections import OptimizerConfig
from electra_cli.optimization.adamw import ElectraAdamW
from electra_cli.optimization.schedule import CourseSchedule, ElectraSchedule

OPTIMIZER, SCHEDULE, COURSE = "electra_adamw", "electra", "electra_course"


@dataclasses.dataclass
class ElectraAdamWConfig(optimizer_config.BaseOptimizerConfig):
    """Arguments of `ElectraAdamW`."""

    name: str = "ElectraAdamW"
    beta_1: float = 0.9
    beta_2: float = 0.999
    epsilon: float = 1e-6
    weight_decay: float = 0.01
    layer_decay: str = "none"
    decay_factor: float = 1.0
    layers: int = 0


@dataclasses.dataclass
class ElectraScheduleConfig(base_config.Config):
    """Arguments of `ElectraSchedule`; steps is the horizon and has no default."""

    name: str = "electra"
    initial_learning_rate: float = 5e-4
    steps: int | None = None
    warmup_steps: float = 10_000


@dataclasses.dataclass
class CourseScheduleConfig(base_config.Config):
    """Arguments of `CourseSchedule`; steps is the horizon, None for no end."""

    name: str = "course"
    initial_learning_rate: float = 5e-4
    schedule: str = "constant"
    steps: int | None = None
    warmup_steps: float = 10_000
    decay_steps: int | None = None
    decay_shape: str = "linear"


@dataclasses.dataclass
class OptimizerChoice(optimization.OptimizerConfig):
    """Model Garden's optimizers and ours."""

    electra_adamw: ElectraAdamWConfig = dataclasses.field(default_factory=ElectraAdamWConfig)


@dataclasses.dataclass
class ScheduleChoice(optimization.LrConfig):
    """Model Garden's schedules and ours."""

    electra: ElectraScheduleConfig = dataclasses.field(default_factory=ElectraScheduleConfig)
    electra_course: CourseScheduleConfig = dataclasses.field(default_factory=CourseScheduleConfig)


@dataclasses.dataclass
class OptimizationConfig(optimization.OptimizationConfig):
    """What a trainer's `optimizer_config` may hold."""

    optimizer: OptimizerChoice = dataclasses.field(default_factory=OptimizerChoice)
    learning_rate: ScheduleChoice = dataclasses.field(default_factory=ScheduleChoice)


if OPTIMIZER not in optimizer_factory.LEGACY_OPTIMIZERS_CLS:  # the module may be reloaded
    optimizer_factory.register_optimizer_cls(OPTIMIZER, ElectraAdamW)
optimizer_factory.LR_CLS |= {SCHEDULE: ElectraSchedule, COURSE: CourseSchedule}


def optimization_config(config: Config) -> OptimizationConfig:
    """Says the optimizer and the schedule of a pretraining in Model Garden's words."""
    chosen = config.optimizer
    average = {"average_decay": chosen.ema_decay} if chosen.ema_decay else None
    schedule: dict[str, Any] = {
        "initial_learning_rate": chosen.learning_rate,
        "steps": config.train.steps,
        "warmup_steps": chosen.warmup_steps,
    }
    if chosen.schedule == "electra":
        return _in_words(chosen, {SCHEDULE: schedule}, {}, average)
    schedule |= {
        "schedule": chosen.schedule,
        "decay_steps": chosen.decay_steps,
        "decay_shape": chosen.decay_shape,
    }
    return _in_words(chosen, {COURSE: schedule}, {}, average)


def finetune_optimization_config(
    chosen: FinetuneOptimizerConfig, *, steps: int, layers: int
) -> OptimizationConfig:
    """Says the optimizer and the schedule of a fine-tuning in Model Garden's words.

    Args:
      chosen: With a learning rate and a decay factor, which depend on the model's size.
      steps: Updates of the whole run; those of warm-up are a share of it and stay a fraction.
      layers: Of the encoder.
    """
    schedule = {
        "initial_learning_rate": chosen.learning_rate,
        "steps": steps,
        "warmup_steps": steps * chosen.warmup_proportion,
    }
    rates = {
        "layer_decay": chosen.layer_decay,
        "decay_factor": chosen.decay_factor,
        "layers": layers,
    }
    return _in_words(chosen, {SCHEDULE: schedule}, rates)


def _in_words(
    chosen: OptimizerConfig | FinetuneOptimizerConfig,
    schedule: dict[str, Any],
    rates: dict[str, Any],
    average: dict[str, Any] | None = None,
) -> OptimizationConfig:
    adam = {
        "beta_1": chosen.beta_1,
        "beta_2": chosen.beta_2,
        "epsilon": chosen.epsilon,
        "weight_decay": chosen.weight_decay,
    }
    return OptimizationConfig(
        {
            "ema": average,
            "optimizer": {"type": OPTIMIZER, OPTIMIZER: adam | rates},
            "learning_rate": {"type": next(iter(schedule)), **schedule},
        }
    )
