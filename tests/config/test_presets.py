"""The presets that come with the package."""

from __future__ import annotations

from pathlib import Path

import pytest

from electra_cli.config.load import DEFAULT_ORIGIN, load_config
from electra_cli.config.presets import available_presets, preset_path
from electra_cli.config.schema import leaf_fields
from electra_cli.errors import ConfigError, InputMissingError
from electra_cli.health.facts import Facts
from electra_cli.health.monitor import Monitor

NAMES = ["tiny", "small", "small-plus-plus", "base", "large"]


def test_names() -> None:
    assert available_presets() == NAMES


# A preset is the paper's recipe; these are for who wants another one, and off.
DEPARTURES = {
    "objective.name",
    "objective.uniform_generator",
    "objective.disallow_correct",
    "objective.temperature",
    "objective.temperature_decay_steps",
    "model.gradient_checkpointing",
    "model.document_attention",
    "generator.layers",
    "generator.sharing",
    "generator.embedding_size",
    "generator.frozen",
    "optimizer.schedule",
    "optimizer.decay_steps",
    "optimizer.decay_shape",
    "train.batch_schedule",
}


@pytest.mark.parametrize("name", NAMES)
def test_sets_every_key(name: str) -> None:
    loaded = load_config(preset=name, environment={})
    left = [
        key
        for key in leaf_fields()
        if not key.startswith("runtime.")
        and key not in DEPARTURES
        and loaded.origins[key] == DEFAULT_ORIGIN
    ]
    assert left == []
    assert loaded.config.preset == name
    assert loaded.config.model.vocab_size == 30522
    assert loaded.config.objective.sampling == "reference"
    assert Monitor(Facts.of(loaded.config, None)).see({"kind": "start", "step": 0}) == []
    assert not any(loaded.user_set(key) for key in leaf_fields())


@pytest.mark.parametrize("name", NAMES)
def test_comment_opens_with_the_command_and_says_what_to_expect(name: str) -> None:
    comment = preset_path(name).read_text(encoding="utf-8").partition("\ndata:")[0]
    assert comment.startswith(f"# electra pretrain --preset {name} ")
    for words in ("Hardware:", "Expected time:", "esult"):
        assert words in comment


@pytest.mark.parametrize(
    ("name", "length", "batch", "rate", "steps", "share", "width"),
    [
        ("small", 128, 128, 5e-4, 1_000_000, 0.15, 64),
        ("small-plus-plus", 512, 128, 5e-4, 4_000_000, 0.15, 256),
        ("base", 512, 256, 2e-4, 766_000, 0.15, 256),
        ("large", 512, 2048, 2e-4, 1_750_000, 0.25, 256),
    ],
)
def test_recipes_of_the_paper(
    name: str, length: int, batch: int, rate: float, steps: int, share: float, width: int
) -> None:
    config = load_config(preset=name, environment={}).config
    assert config.data.sequence_length == length
    assert config.train.batch_size == batch
    assert config.optimizer.learning_rate == rate
    assert config.train.steps == steps
    assert config.objective.mask_probability == share
    assert config.generator_sizes.hidden == width
    assert config.optimizer.warmup_steps == 10_000


@pytest.mark.parametrize(
    ("name", "near"),
    [("smalll", "small"), ("Tiny", "tiny"), ("small_plus_plus", "small-plus-plus")],
)
def test_unknown_name(name: str, near: str) -> None:
    with pytest.raises(ConfigError) as error:
        preset_path(name)
    assert error.value.message == f"unknown preset {name} (from --preset)"
    assert f"did you mean --preset {near}?" in error.value.hint
    assert "large" in error.value.hint


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(InputMissingError, match=r"mine\.yaml does not exist"):
        preset_path(str(tmp_path / "mine.yaml"))
