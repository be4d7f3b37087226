"""An update's batch over replicas and parts, and over the steps of a run."""

from __future__ import annotations

import pytest

from electra_cli.config.rules.batches import batch_at, check_batch, largest_batch, rows_before
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


@pytest.mark.parametrize(
    ("batch", "schedule", "options"),
    [
        (30, None, "--batch-size 32"),
        (32, "7:20", "--set train.batch_schedule=8:20"),
        (31, "7:20, 8:50", "--batch-size 32 --set train.batch_schedule=8:20,8:50"),
        (16, "8:8,7:15,16:20", "--set train.batch_schedule=8:8,8:15,16:20"),
        (16, "7:7,4:8,7:20", "--set train.batch_schedule=8:7,8:9,8:20"),
        (30, "8:16", "--batch-size 32"),
    ],
)
def test_what_can_be_typed_for_a_batch_that_cannot_be_shared_out(
    batch: int, schedule: str | None, options: str
) -> None:
    train = Config().replaced({"train.batch_size": batch, "train.batch_schedule": schedule}).train
    with pytest.raises(ConfigError) as error:
        check_batch(train, replicas=8)
    assert error.value.hint == f"add {options}, or change train.accumulation_steps"
    given = dict(word.split("=") for word in options.split() if "=" in word)
    rows = 32 if "--batch-size" in options else batch
    check_batch(
        train.model_copy(
            update={
                "batch_size": rows,
                "batch_schedule": given.get("train.batch_schedule", schedule),
            }
        ),
        replicas=8,
    )


@pytest.mark.parametrize(
    ("schedule", "batches"),
    [
        (None, [16] * 9),
        ("4:8", [4] * 2 + [16] * 7),
        ("4:9", [4] * 3 + [16] * 6),  # the update that reaches 9 is whole
        ("4:8, 8:24", [4] * 2 + [8] * 2 + [16] * 5),
        ("32:64,4:70", [32] * 2 + [4] * 2 + [16] * 5),
    ],
)
def test_rows_before_a_step_are_the_sum_of_the_batches_before_it(
    schedule: str | None, batches: list[int]
) -> None:
    train = Config().replaced({"train.batch_size": 16, "train.batch_schedule": schedule}).train
    assert [batch_at(train, step) for step in range(9)] == batches
    assert [rows_before(train, step) for step in range(9)] == [sum(batches[:n]) for n in range(9)]
    assert largest_batch(train) == max(batches)


@pytest.mark.parametrize(
    ("schedule", "reason"),
    [
        ("32", "expected ROWS:EXAMPLES joined by commas, each of at most 18 digits, got '32'"),
        ("32:", "expected ROWS:EXAMPLES joined by commas, each of at most 18 digits, got '32:'"),
        ("0:10", "expected ROWS:EXAMPLES joined by commas, each of at most 18 digits, got '0:10'"),
        ("4:8,", "expected ROWS:EXAMPLES joined by commas, each of at most 18 digits, got ''"),
        ("4:-8", "expected ROWS:EXAMPLES joined by commas, each of at most 18 digits, got '4:-8'"),
        ("4:8,8:8", "8:8 has no update, since 8 examples were seen before it"),
        ("4:0", "4:0 has no update, since 0 examples were seen before it"),
        ("32:8,4:30", "4:30 has no update, since 32 examples were seen before it"),
        ("6:60", "batch size 6 of train.batch_schedule 6:60 is not divisible by 1 replica × "),
    ],
)
def test_schedules_of_batches_that_are_none_are_refused(schedule: str, reason: str) -> None:
    values = {"train.batch_schedule": schedule, "train.accumulation_steps": 4}
    with pytest.raises(ConfigError) as error:
        Config().replaced(values)
    assert reason in error.value.message
    assert schedule in error.value.message
    assert "train.batch_schedule" in error.value.hint
