"""What a model's size decides, and how long a training is."""

from __future__ import annotations

from dataclasses import replace

import pytest

from electra_cli.config.finetune import FinetuneConfig
from electra_cli.config.schema import Config
from electra_cli.errors import ConfigError
from electra_cli.finetuning.recipe import completed, recipe_of, steps_of
from electra_cli.modeling.architecture import Architecture


@pytest.mark.parametrize(
    ("hidden", "rate", "decay"),
    [(128, 3e-4, 0.8), (256, 3e-4, 0.8), (768, 1e-4, 0.8), (1024, 5e-5, 0.9), (2048, 5e-5, 0.9)],
)
def test_rates_by_size(hidden: int, rate: float, decay: float) -> None:
    """The reference's for small, base and large (configure_finetuning.py)."""
    encoder = replace(Architecture.of(Config()).main, hidden=hidden)
    found = completed(FinetuneConfig(), encoder, 512).optimizer
    assert (found.learning_rate, found.decay_factor) == (rate, decay)
    given = {"optimizer.learning_rate": 1e-3, "optimizer.decay_factor": 0.5}
    config = completed(FinetuneConfig().replaced(given), encoder, 512)
    assert (config.optimizer.learning_rate, config.optimizer.decay_factor) == (1e-3, 0.5)
    assert completed(config, encoder, 512) == config
    assert recipe_of(config, frozen=False) == config.optimizer
    assert recipe_of(config, frozen=True) == config.optimizer.model_copy(
        update={"learning_rate": 1e-3}
    )


def test_rows_longer_than_the_model_has_positions() -> None:
    config = FinetuneConfig().replaced({"task.max_length": 129})
    with pytest.raises(ConfigError, match="129 is more than the 128 positions") as caught:
        completed(config, Architecture.of(Config()).main, 128)
    assert caught.value.hint == "--max-length 128"


@pytest.mark.parametrize(
    ("rows", "batch", "epochs", "steps"),
    [
        (3668 * 2, 32, 3.0, 690),  # MRPC of the reference, in both orders
        (2490, 32, 10.0, 780),  # RTE
        (33, 32, 1.0, 2),
        (32, 32, 1.0, 1),
        (1, 32, 0.01, 1),
        (64, 32, 1.5, 3),
    ],
)
def test_updates(rows: int, batch: int, epochs: float, steps: int) -> None:
    config = FinetuneConfig().replaced({"train.batch_size": batch, "train.epochs": epochs})
    assert steps_of(config, rows) == steps
