"""The reader of recorded cases: every hyperparameter is honoured or refused by name."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from electra_cli.optimization.update import innermost
from tests.golden.hparams import architecture_of, config_of
from tests.golden.reference_case import DIRECTORIES, ReferenceCase, case_folders

HERE = Path(__file__).parent
# What such a value changes of a recorded generator.
GENERATORS = {
    "uniform_generator": "generator is recorded as",
    "untied_generator": "generator.hidden_size",
    "generator_layers": "generator.num_hidden_layers",
}
SMALL = HERE / "small_like"
RECORDED = json.loads((SMALL / "config.json").read_text(encoding="utf-8"))


def recorded(**hparams: Any) -> dict[str, Any]:
    """The recorded small case with further overrides."""
    case = copy.deepcopy(RECORDED)
    case["hparams"] |= hparams
    return case


def copied(folder: Path, **hparams: Any) -> Path:
    """The same as a folder of its own."""
    folder.mkdir(parents=True)
    for path in SMALL.iterdir():
        (folder / path.name).symlink_to(path)
    (folder / "config.json").unlink()
    (folder / "config.json").write_text(json.dumps(recorded(**hparams)), encoding="utf-8")
    return folder


@pytest.mark.parametrize(
    ("name", "value", "key"),
    [
        ("gen_weight", 0.25, "objective.generator_weight"),
        ("disc_weight", 7.0, "objective.disc_weight"),
        ("mask_prob", 0.3, "objective.mask_probability"),
        ("weight_decay_rate", 0.1, "optimizer.weight_decay"),
        ("max_seq_length", 64, "data.sequence_length"),
        ("train_batch_size", 6, "train.batch_size"),
    ],
)
def test_an_hparam_is_our_key(name: str, value: Any, key: str) -> None:
    section, _, leaf = key.partition(".")
    assert getattr(getattr(config_of(recorded()), section), leaf) != value
    assert getattr(getattr(config_of(recorded(**{name: value})), section), leaf) == value


def test_the_optimizer_is_recorded_apart() -> None:
    case = recorded()
    case["optimizer"] = {"learning_rate": 0.25, "num_train_steps": 9, "num_warmup_steps": 3}
    config = config_of(case)
    found = (config.optimizer.learning_rate, config.train.steps, config.optimizer.warmup_steps)
    assert found == (0.25, 9, 3)
    case["hparams"]["learning_rate"] = 0.5
    with pytest.raises(ValueError, match=r"learning_rate is 0\.5 in hparams and 0\.25"):
        config_of(case)


def test_what_a_generator_is_follows_from_the_keys() -> None:
    case = recorded(generator_layers=0.5, disallow_correct=True, temperature=2.0)
    case["generator"]["num_hidden_layers"] = 1
    architecture, objective = architecture_of(case, config_of(case)), config_of(case).objective
    assert (architecture.generator.layers, architecture.discriminator.layers) == (1, 2)
    assert (objective.disallow_correct, objective.temperature) == (True, 2.0)
    architecture = architecture_of(RECORDED, config_of(RECORDED))
    assert (architecture.sharing, architecture.generator_embedding) == ("tied", 24)
    case = recorded(untied_generator_embeddings=True)
    architecture = architecture_of(case, config_of(case))
    assert (architecture.sharing, architecture.generator_embedding) == ("none", 8)
    case = recorded(untied_generator=False)
    case["generator"] = case["discriminator"]
    architecture = architecture_of(case, config_of(case))
    assert (architecture.sharing, architecture.generator) == ("all", architecture.discriminator)
    case = recorded(uniform_generator=True) | {"generator": None}
    assert architecture_of(case, config_of(case)).generator is None


def test_without_the_electra_objective_the_generator_is_the_main_network() -> None:
    case = json.loads((HERE / "objective_mlm" / "config.json").read_text(encoding="utf-8"))
    config = config_of(case)
    architecture = architecture_of(case, config)
    assert (config.objective.name, config.objective.generator_weight) == ("mlm", 0.8)
    assert (architecture.discriminator, architecture.main.hidden) == (None, 32)


@pytest.mark.parametrize("power", [1.0, 0.5])
def test_the_power_of_the_decay_reaches_the_schedule(tmp_path: Path, power: float) -> None:
    case = ReferenceCase(copied(tmp_path / "case", lr_decay_power=power))
    optimizer = innermost(case.optimizer(case.task()))
    # The first update is that of step 1 of 20, with 4 of warm-up.
    expected = 0.001 * (1 - 1 / 20) ** power / 4
    assert float(optimizer.current_learning_rate()) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("debug", True),
        ("do_train", False),
        ("electric_objective", True),
        ("two_tower_generator", True),
        ("uniform_generator", True),  # recorded with a generator
        ("untied_generator", False),  # recorded with one that is 8 wide, not 32
        ("generator_layers", 0.5),  # recorded with two layers
        ("model_hparam_overrides", {"hidden_size": 64}),  # recorded with 32
        ("model_hparam_overrides", {"hidden_act": "relu"}),
        ("vocab_size", 400),  # recorded with 300
        ("hidden_act", "gelu"),
        ("mask_probability", 0.15),
    ],
)
def test_what_cannot_be_done_is_refused_by_name(name: str, value: Any) -> None:
    case = recorded(**{name: value})
    named = next(iter(value)) if isinstance(value, dict) else name
    with pytest.raises(ValueError, match=GENERATORS.get(named, named)):
        architecture_of(case, config_of(case))


def test_another_activation_and_dropout_are_refused() -> None:
    case = recorded()
    case["discriminator"]["hidden_act"] = "relu"
    with pytest.raises(ValueError, match="relu"):
        config_of(case)
    case = recorded() | {"dropout": "on"}
    with pytest.raises(ValueError, match="dropout is on"):
        config_of(case)


@pytest.mark.parametrize("name", ["use_tpu", "save_checkpoints_steps", "do_eval"])
def test_what_changes_no_recorded_number_is_accepted(name: str) -> None:
    assert config_of(recorded(**{name: 2})) == config_of(recorded())


def test_slots_follow_from_the_hparams_or_are_named(tmp_path: Path) -> None:
    ReferenceCase(copied(tmp_path / "same", max_predictions_per_seq=6))
    for name, hparams in (("named", {"max_predictions_per_seq": 7}), ("more", {"mask_prob": 0.3})):
        with pytest.raises(ValueError, match="6 masked positions"):
            ReferenceCase(copied(tmp_path / name, **hparams))


def test_folders_of_the_environment_replace_the_default_ones(tmp_path: Path) -> None:
    kinds = ("disallow", "electric", "mlm", "uniform", "untied")
    objectives = (f"objective_{kind}" for kind in kinds)
    names = ("base_like", "large_like", *objectives, "small_like")
    assert case_folders({}) == [HERE / name for name in names]
    one, two = copied(tmp_path / "one"), copied(tmp_path / "more" / "two")
    assert case_folders({DIRECTORIES: f"{one}:{tmp_path / 'more'}"}) == [one, two]


def test_recorded_fine_tunings_are_cases_of_their_own(tmp_path: Path) -> None:
    kinds = ("classification", "qa", "qa_independent", "regression", "tagging")
    own = [HERE / f"finetune_{kind}" for kind in kinds]
    assert case_folders({}, finetuning=True) == own
    one = copied(tmp_path / "one")
    assert case_folders({DIRECTORIES: str(one)}, finetuning=True) == own  # none is named
    named = {DIRECTORIES: f"{one}:{own[1]}"}
    assert case_folders(named) == [one]
    assert case_folders(named, finetuning=True) == [own[1]]
    within = copied(tmp_path / "one" / "within")
    assert case_folders(named) == [one, within]


def test_a_folder_that_is_missing_or_empty_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=f"no folder {tmp_path / 'nowhere'}"):
        case_folders({DIRECTORIES: f"{SMALL}:{tmp_path / 'nowhere'}"})
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match=f"no recorded case in {tmp_path / 'empty'}"):
        case_folders({DIRECTORIES: str(tmp_path / "empty")})
