"""Says a run's configuration in Model Garden's words: ExperimentConfig, task, gin bindings."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import gin
from official.core import config_definitions as cfg
from official.core import exp_factory

from electra_cli.config.rules.batches import batch_at
from electra_cli.config.schema import Config
from electra_cli.config.values import shown
from electra_cli.corpus.shards.manifest import Manifest
from electra_cli.errors import ConfigError, InputMissingError
from electra_cli.files.redaction import redacted
from electra_cli.optimization.registration import optimization_config
from electra_cli.tasks.electra import ElectraDataConfig, ElectraTaskConfig

# What gin can bind of ours, and the values in force without; all else has a key.
BINDABLE = {"mask_tokens.mask_token_probability": 0.85, "ElectraSchedule.power": 1.0}


@exp_factory.register_config_factory("electra_cli/pretrain")
def electra_pretrain() -> cfg.ExperimentConfig:
    """The experiment for Model Garden's own command line, at the schema's defaults.

    A user sets task.settings, task.special_ids and both input_paths, as `compose` does.
    """
    config = Config()
    return cfg.ExperimentConfig(
        task=ElectraTaskConfig(settings=config.model_dump()),
        trainer=cfg.TrainerConfig(
            optimizer_config=optimization_config(config), train_steps=config.train.steps or 0
        ),
    )


def compose(
    config: Config,
    manifest: Manifest,
    *,
    data: Path,
    precision: str,
    replicas: int,
    xla: bool = False,
    lanes: int = 1,
    start_step: int = 0,
) -> cfg.ExperimentConfig:
    """Builds the experiment of a run.

    Args:
      config: The configuration.
      manifest: The manifest of the prepared data.
      data: The prepared folder.
      precision: float32, bfloat16 or float16.
      replicas: Copies of the model.
      xla: Compile the whole step.
      lanes: Parts of a micro-batch that run side by side.
      start_step: The step of the first training batch.
    """
    batch = batch_at(config.train, start_step)
    # Validation fits where a micro-batch of training fits.
    rows = max(1, config.train.batch_size // config.train.accumulation_steps // replicas)
    task = ElectraTaskConfig(
        settings=config.replaced({"runtime.xla": xla}).model_dump(),
        special_ids=manifest.special_ids.model_dump(exclude_none=True),
        lanes=lanes,
        train_data=ElectraDataConfig(
            input_path=str(data), global_batch_size=batch, is_training=True, start_step=start_step
        ),
        validation_data=ElectraDataConfig(
            input_path=str(data), global_batch_size=rows * replicas, is_training=False
        ),
    )
    return cfg.ExperimentConfig(
        task=task,
        trainer=cfg.TrainerConfig(
            optimizer_config=optimization_config(config), train_steps=config.train.steps or 0
        ),
        runtime=cfg.RuntimeConfig(
            mixed_precision_dtype=precision,
            enable_xla=xla,
            loss_scale="dynamic" if precision == "float16" else None,
        ),
    )


def bind_gin(files: Sequence[Path], parameters: Sequence[str]) -> str:
    """Applies gin bindings to the functions that are marked configurable.

    Args:
      files: Gin files; a gin file is code, so only files that the user names are read.
      parameters: Single bindings, such as "mask_tokens.mask_token_probability = 0.9".

    Returns:
      The bindings in force as text without secrets, empty when there are none.

    Raises:
      InputMissingError: A file is not there, or one that it includes.
      ConfigError: A binding names no configurable function, or cannot be read.
    """
    for file in files:
        if not file.is_file():
            what = "is a folder" if file.is_dir() else "does not exist"
            raise InputMissingError(
                f"gin file {file} {what}", hint="--gin-file FILE, or --gin-param BINDING"
            )
    gin.clear_config()
    if not files and not parameters:
        return ""
    try:
        gin.parse_config_files_and_bindings([str(file) for file in files], list(parameters))
    except OSError as error:
        message = " ".join(str(error).split())
        raise InputMissingError(f"gin: {message}", hint="correct the include") from error
    except (ValueError, SyntaxError, TypeError, RuntimeError, ImportError) as error:
        message = " ".join(str(error).split())
        known = " or ".join(f"--gin-param '{name} = {BINDABLE[name]}'" for name in BINDABLE)
        raise ConfigError(
            f"gin bindings cannot be applied: {message}",
            hint=f"{known}; all else has a key: --set KEY=VALUE",
        ) from error
    for name, default in BINDABLE.items():
        _check_number(name, default)
    return redacted(gin.config_str())


def _check_number(name: str, default: float) -> None:
    """Refuses text and the like for a number; references are computed later."""
    try:
        value = gin.query_parameter(name)
    except ValueError:  # not bound
        return
    if isinstance(value, str | bool | list | tuple | dict) or value is None:
        raise ConfigError(
            f"gin binding {name}: expected a number, got {shown(value)}",
            hint=f"--gin-param '{name} = {default}'",
        )
