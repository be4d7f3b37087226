"""An update's batch over replicas and parts."""

from __future__ import annotations

import pytest

from electra_cli.config.batches import check_batch
from electra_cli.config.schema import Config
from electra_cli.errors import ConfigError


def test_batch_must_divide_over_replicas_and_accumulation() -> None:
    config = Config().replaced({"train.batch_size": 30, "train.accumulation_steps": 2})
    check_batch(config.train, replicas=3)
    with pytest.raises(ConfigError) as error:
        check_batch(config.train, replicas=4)
    assert error.value.message == (
        "batch size 30 is not divisible by 4 replicas × 2 accumulation steps = 8; use 24 or 32"
    )
    with pytest.raises(ConfigError, match=r"1 replica × 2 accumulation steps = 2; use 2$"):
        Config().replaced({"train.batch_size": 1, "train.accumulation_steps": 2})
