"""The closed forms against published sizes, and against counts made another way."""

from __future__ import annotations

from typing import Any

import pytest

from electra_cli.config.load import load_config
from electra_cli.config.schema import Config
from electra_cli.modeling.architecture import Architecture
from electra_cli.modeling.budget import budget_of, epochs_of, flops_by_step
from electra_cli.modeling.electra import ElectraModel
from tests.modeling.test_electra import TINY


@pytest.mark.parametrize(
    ("preset", "encoder", "with_head", "joint"),
    [
        ("small", 13_483_008, 13_549_057, 14_196_219),
        ("small-plus-plus", 13_483_008, 13_549_057, 23_122_875),
        ("base", 108_891_648, 109_483_009, 119_386_427),
        ("large", 334_092_288, 335_142_913, 354_655_291),
    ],
)
def test_parameters(preset: str, encoder: int, with_head: int, joint: int) -> None:
    config = load_config(preset=preset, environment={}).config
    parameters = budget_of(config).parameters
    hidden = config.model.hidden_size
    head = hidden * hidden + hidden + hidden + 1
    assert parameters.shared + parameters.discriminator - head == encoder
    assert parameters.shared + parameters.discriminator == with_head
    assert parameters.total == joint
    assert parameters.generator == joint - with_head


def test_parameters_of_a_small_model_counted_by_hand() -> None:
    config = Config().replaced(
        {
            "data.sequence_length": 8,
            "objective.mask_probability": 0.25,
            "model.vocab_size": 10,
            "model.max_position_embeddings": 8,
            "model.embedding_size": 2,
            "model.hidden_size": 4,
            "model.intermediate_size": 6,
            "model.num_attention_heads": 2,
            "model.num_layers": 1,
            "generator.size": 0.5,
        }
    )
    parameters = budget_of(config).parameters
    # Tables of 10 + 8 + 2 rows of 2, LayerNorm 2 + 2.
    assert parameters.shared == 44
    # Projection 12; four dense 4x4 80, LayerNorm 8, 4x6 30, 6x4 28, LayerNorm 8; head 20 + 5.
    assert parameters.discriminator == 12 + 80 + 8 + 30 + 28 + 8 + 20 + 5
    # No projection; four dense 2x2 24, LayerNorm 4, 2x8 24, 8x2 18, LayerNorm 4;
    # head dense 6, LayerNorm 4, output bias 10.
    assert parameters.generator == 24 + 4 + 24 + 18 + 4 + 6 + 4 + 10
    assert parameters.total == parameters.shared + parameters.discriminator + parameters.generator

    alone = budget_of(config.replaced({"objective.name": "mlm"}))
    # The discriminator's encoder as above, with a head of dense 10, LayerNorm 4, output bias 10.
    assert (alone.parameters.generator, alone.parameters.discriminator) == (166 + 10 + 4 + 10, 0)
    assert alone.parameters.total == 44 + 190

    # Multiplications and additions of one row's forward pass, product by product, in rows of 8.
    discriminator = 8 * 2 * (2 * 4 + 4 * 4 * 4 + 2 * 4 * 6 + 2 * 8 * 4 + 4 * 4 + 4)
    generator = 8 * 2 * (4 * 2 * 2 + 2 * 2 * 8 + 2 * 8 * 2)
    predictions = 2 * 2 * (2 * 2 + 2 * 10)  # int((0.25 + 0.005) · 8) = 2 masked slots
    assert budget_of(config).flops_per_token * 8 == pytest.approx(
        3 * (discriminator + generator + predictions)
    )
    encoder = discriminator - 8 * 2 * (4 * 4 + 4)  # without the head that tells tokens apart
    predictions = 2 * 2 * (4 * 2 + 2 * 10)
    assert alone.flops_per_token * 8 == pytest.approx(3 * (encoder + predictions))
    assert alone.memory_bytes < budget_of(config).memory_bytes


@pytest.mark.parametrize(
    "values",
    [
        {"objective.uniform_generator": True},
        {"generator.layers": 0.5},
        {"generator.sharing": "none"},
        {"generator.sharing": "none", "generator.embedding_size": 24},
        {"generator.sharing": "none", "generator.frozen": "somewhere"},
        {"generator.sharing": "disentangled"},
        {"generator.sharing": "all", "generator.size": 1.0},
        {"objective.name": "electric"},
    ],
    ids=lambda values: " ".join(f"{key}={value}" for key, value in values.items()),
)
def test_networks_that_share_more_or_less(values: dict[str, Any]) -> None:
    config, tied = TINY.replaced(values), budget_of(TINY)
    found, model = budget_of(config), ElectraModel(Architecture.of(config))
    assert found.parameters.total == sum(v.shape.num_elements() for v in model.variables)
    # Half the generator's layers, none of it, or no backward pass cost less; twice it costs more.
    is_more = values.get("generator.sharing") == "all" or "objective.name" in values
    is_less = not {
        "objective.uniform_generator",
        "generator.layers",
        "generator.frozen",
    }.isdisjoint(values)
    assert (found.flops_per_token > tied.flops_per_token) >= is_more
    assert (found.flops_per_token < tied.flops_per_token) >= is_less
    assert (found.memory_bytes < tied.memory_bytes) >= is_less


def test_flops_of_small_are_near_seventy_million_a_token() -> None:
    config = load_config(preset="small", environment={}).config
    assert budget_of(config).flops_per_token == pytest.approx(70e6, rel=0.02)


def test_flops_follow_the_rows_of_the_updates() -> None:
    config = load_config(preset="tiny", environment={}).config
    ramp = config.replaced({"train.batch_schedule": "8:64"})  # 8 updates of 8 rows, then of 32
    a_row = budget_of(config).flops_per_token * config.data.sequence_length
    for step, rows in ((0, 0), (8, 64), (10, 64 + 2 * 32)):
        assert flops_by_step(ramp)(step) == pytest.approx(rows * a_row)


def test_tokens_and_epochs() -> None:
    config = load_config(preset="small", environment={}).config
    assert budget_of(config).tokens_per_step == 128 * 128
    # The corpus of the published run: 273 thousand steps an epoch.
    assert epochs_of(config, 273_000 * 128) == pytest.approx(3.66, abs=0.01)


def test_memory_follows_batch_replicas_accumulation_and_precision() -> None:
    config = load_config(preset="small", environment={}).config
    state = 16 * budget_of(config).parameters.total
    whole = budget_of(config).memory_bytes
    assert state < whole < 16e9  # it was published to train on one GPU of 16 GB
    of_rows = whole - state
    assert budget_of(config, replicas=4).memory_bytes == state + of_rows // 4
    parts = config.replaced({"train.accumulation_steps": 4})
    assert budget_of(parts).memory_bytes == state // 4 * 5 + of_rows // 4
    assert budget_of(config, precision="bfloat16").memory_bytes < 0.65 * whole
    longer = config.replaced({"data.sequence_length": 256, "train.batch_size": 64})
    assert budget_of(longer).memory_bytes > whole  # attention grows with the square


def test_layers_that_are_computed_again_keep_what_comes_into_them() -> None:
    """Measured, whole processes, GiB, 12 rows of 512 in float32: 4.81, and 2.20 with it."""
    values = {"data.sequence_length": 512, "train.batch_size": 12}
    config = load_config(preset="small", environment={}).config.replaced(values)
    again = config.replaced({"model.gradient_checkpointing": True})
    for budget, measured in ((budget_of(config), 4.81), (budget_of(again), 2.20)):
        needed = (budget.memory_bytes + budget.process_bytes) / 2**30
        assert needed == pytest.approx(measured, rel=0.12)
    assert budget_of(again).flops_per_token == budget_of(config).flops_per_token
    # Each layer more costs its input, [512, 256] float32, of both networks in 12 rows; and weights.
    deeper = again.replaced({"model.num_layers": 13})
    weights = 16 * (budget_of(deeper).parameters.total - budget_of(again).parameters.total)
    inputs = 12 * 512 * (256 + 64) * 4
    assert budget_of(deeper).memory_bytes - budget_of(again).memory_bytes == weights + inputs
