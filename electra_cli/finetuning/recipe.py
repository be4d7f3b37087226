"""What the reference's recipe decides by a model's size, and how long a training is."""

from __future__ import annotations

from electra_cli.config.finetune import FinetuneConfig, FinetuneOptimizerConfig
from electra_cli.errors import ConfigError
from electra_cli.modeling.architecture import EncoderSizes

# configure_finetuning.py and the README of the reference: rate and decay of each size, the largest
# first, by the width from which on a model has it.
_BY_WIDTH = ((1024, 5e-5, 0.9), (768, 1e-4, 0.8), (0, 3e-4, 0.8))
_PROBE_RATE = 1e-3  # of a head over an encoder that stays as it is


def completed(config: FinetuneConfig, encoder: EncoderSizes, positions: int) -> FinetuneConfig:
    """A configuration with a number for each key that the model's size decides.

    Args:
      config: As it was given.
      encoder: Sizes of the model.
      positions: Rows of its position table.

    Raises:
      ConfigError: Rows would be longer than the model's.
    """
    if config.task.max_length > positions:
        raise ConfigError(
            f"task.max_length {config.task.max_length} is more than the {positions} positions of "
            "the model",
            hint=f"--max-length {positions}",
        )
    _, rate, decay = next(entry for entry in _BY_WIDTH if encoder.hidden >= entry[0])
    chosen = config.optimizer
    return config.replaced(
        {
            "optimizer.learning_rate": chosen.learning_rate or rate,
            "optimizer.decay_factor": chosen.decay_factor or decay,
        }
    )


def steps_of(config: FinetuneConfig, rows: int) -> int:
    """Updates of a training, at least one.

    The reference fills the last batch of its data up with empty rows (preprocessing.py), so that
    an epoch has as many updates as batches that have any row.
    """
    batches = -(-rows // config.train.batch_size)
    return max(1, int(batches * config.train.epochs))


def recipe_of(config: FinetuneConfig, *, frozen: bool) -> FinetuneOptimizerConfig:
    """The optimizer of a run; that of a head alone has a higher rate."""
    if not frozen:
        return config.optimizer
    return config.replaced({"optimizer.learning_rate": _PROBE_RATE}).optimizer
