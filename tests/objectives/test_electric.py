"""Electric: what its parts see, learn and say, its weights in every format, and its commands."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from electra_cli.config.schema import Config
from electra_cli.errors import DataError
from electra_cli.export.run import export
from electra_cli.inputs.masking import Features
from electra_cli.interop.source import find_source
from electra_cli.interop.weights import load_weights, values_of
from electra_cli.modeling.architecture import Architecture
from electra_cli.modeling.budget import budget_of
from electra_cli.modeling.electra import ElectraModel
from electra_cli.modeling.fused import plain_operations
from electra_cli.objectives import metrics_of, objective_of
from tests.conftest import Electra, settings
from tests.export.runs import small_config, write_run
from tests.interop.conftest import assert_same
from tests.modeling.test_electra import IDS, TINY, features
from tests.training.runs import copied

VALUES = {"objective.name": "electric", "model.num_layers": 2, "data.sequence_length": 16}
CONFIG = TINY.replaced(VALUES)
ELECTRIC = objective_of(CONFIG.objective)


def model_of(config: Config = CONFIG) -> ElectraModel:
    return ElectraModel(Architecture.of(config), forward=ELECTRIC.forward)


def batch(rows: int = 4, probability: float = 0.15) -> Features:
    return ELECTRIC.batch_features(features(CONFIG, rows), IDS, probability)


def test_a_token_is_predicted_from_all_others_and_not_from_itself() -> None:
    model, made = model_of(), batch(rows=1)
    made = {name: values[:, :10] for name, values in made.items() if values.shape.rank == 2}
    made["input_mask"] = tf.ones([1, 10], tf.int32)
    before = model.cloze_predicted(made).numpy()  # [S, E]
    for place in range(1, 9):
        other = tf.tensor_scatter_nd_add(made["input_ids"], [[0, place]], [7])
        after = model.cloze_predicted(made | {"input_ids": other}).numpy()
        changed = np.abs(after - before).max(axis=1) > 1e-6
        # Only what the last position says from its beginning comes around to the first one.
        assert [bool(x) for x in changed] == [position != place for position in range(10)]


def test_each_loss_teaches_its_own_networks() -> None:
    model, made = model_of(), batch()
    counts = ELECTRIC.counts(made)
    variables = list(model.trainable_variables)
    with plain_operations(), tf.GradientTape(persistent=True) as tape:
        losses = ELECTRIC.mean_losses(made, model(made), counts)
    owners = {
        "cloze_loss": {"generator_ltr", "generator_rtl", "cloze_predictions", "electra/embeddings"},
        "disc_loss": {"electra/embeddings", "electra", "discriminator_predictions"},
        "masked_lm_loss": set(),
        "total_loss": {
            "generator_ltr", "generator_rtl", "cloze_predictions", "electra/embeddings", "electra",
            "discriminator_predictions",
        },
    }  # fmt: skip
    assert set(owners) == set(ELECTRIC.losses)
    for name, expected in owners.items():
        found = set()
        for variable, gradient in zip(
            variables, tape.gradient(losses[name], variables), strict=True
        ):
            if gradient is not None:
                scope = variable.name.split("/")
                is_shared = scope[1] == "embeddings"
                found.add("electra/embeddings" if is_shared else scope[0])
        assert found == expected, name
    total = losses["cloze_loss"] + 50 * losses["disc_loss"]
    assert float(losses["total_loss"]) == pytest.approx(float(total), rel=1e-6)
    assert float(losses["cloze_loss"]) == pytest.approx(math.log(4096), rel=0.01)


def test_what_was_drawn_is_noise_even_where_it_is_right() -> None:
    made = batch()
    found = model_of()(made | {"sampled_ids": made["masked_lm_ids"]})
    np.testing.assert_array_equal(found["disc_inputs"], made["input_ids"])
    positions, used = made["masked_lm_positions"].numpy(), made["masked_lm_weights"].numpy() > 0
    expected = np.zeros(made["input_ids"].shape, int)
    for row in range(len(positions)):
        expected[row, positions[row][used[row]]] = 1
    np.testing.assert_array_equal(found["disc_labels"], expected)


def test_logits_are_energies_against_how_likely_the_noise_was() -> None:
    """Of twice the odds of noise every token is as much likelier to be noise."""
    model, made = model_of(), batch()
    found = model(made)
    energies, _ = model.discriminate(found["disc_inputs"], made)
    log_q = -found["cloze_cross_entropy"].numpy()
    same = (found["disc_inputs"] == made["input_ids"]).numpy()
    expected = energies + log_q + math.log(0.15 / 0.85)
    np.testing.assert_allclose(
        found["disc_logits"].numpy()[same], expected.numpy()[same], atol=1e-4
    )
    odds = made["noise_log_odds"].numpy()
    np.testing.assert_allclose(odds, math.log(0.15 / 0.85), rtol=1e-6)
    assert batch(probability=0.5)["noise_log_odds"].numpy().tolist() == [0.0] * 4


def test_the_budget_counts_two_towers() -> None:
    parts = budget_of(CONFIG).parameters
    sizes = {v.name: v.shape.num_elements() for v in model_of().trainable_variables}
    towers = ("generator_ltr/", "generator_rtl/", "cloze_predictions/")
    assert parts.total == sum(sizes.values())
    assert parts.generator == sum(n for name, n in sizes.items() if name.startswith(towers))
    small = CONFIG.replaced({"objective.name": "electra"})
    assert budget_of(CONFIG).flops_per_token > 1.5 * budget_of(small).flops_per_token
    # Logits of all 16,384 positions in float32 would be 2 GB, and there would be several such.
    large = Config().replaced({"objective.name": "electric"})
    tied = budget_of(Config()).memory_bytes
    assert budget_of(large).memory_bytes - tied < 2e9


# -- formats ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_run(tmp_path_factory.mktemp("electric") / "run", objective="electric")


@pytest.mark.parametrize(
    ("format", "folder", "method"),
    [
        pytest.param("huggingface", "discriminator", "transformers", marks=pytest.mark.slow),
        pytest.param("saved-model", "", "numpy", marks=pytest.mark.slow),
        ("onnx", "", "numpy"),
        ("reference", "", "numpy"),
    ],
)
def test_every_format_says_that_logits_are_energies(
    run: Path, tmp_path: Path, format: str, folder: str, method: str
) -> None:
    stages: list[str] = []
    output = tmp_path / "out"
    found = export(
        checkpoint=run,
        format=format,
        output=output,
        only="discriminator" if format == "huggingface" else None,
        on_progress=stages.append,
    )
    networks = ("discriminator", "generator") if format == "reference" else ("discriminator",)
    assert (found.networks, found.parity.method) == (networks, method)
    card = (output / folder / "README.md").read_text(encoding="utf-8")
    assert "logits are energies" in card
    assert "logit > 0" not in card
    assert "above 0: the token was" not in card
    assert "`generator/`" not in card
    assert any("logits are energies" in stage for stage in stages), stages
    if format != "reference":
        return
    config = json.loads((output / "config.json").read_text(encoding="utf-8"))
    assert config["generator"]["hidden_size"] == 16
    again = ElectraModel(Architecture.of(small_config(24).replaced({"objective.name": "electric"})))
    report = load_weights(again, find_source(output))
    assert (report.missing, report.unused) == ([], [])
    model = ElectraModel(again.architecture)
    load_weights(model, find_source(run))
    assert_same(values_of(again), values_of(model))
    # What another project has written is known by its towers.
    copy = tmp_path / "copy"
    export(checkpoint=output, format="reference", output=copy, on_progress=stages.append)
    assert "logits are energies" in (copy / "README.md").read_text(encoding="utf-8")
    wider = small_config(24).replaced({"objective.name": "electric", "generator.size": 1.0})
    with pytest.raises(DataError, match="generator hidden_size 16 there, 32 here") as caught:
        load_weights(ElectraModel(Architecture.of(wider)), find_source(output))
    assert caught.value.hint == "--set generator.size=0.5"


def test_towers_and_a_plain_generator_are_not_each_other(run: Path, tmp_path: Path) -> None:
    electra = write_run(tmp_path / "electra")
    tables = tmp_path / "tables"
    export(checkpoint=electra, format="huggingface", output=tables)
    config = small_config(24).replaced({"train.seed": 1})
    towers = {"two towers", "cloze head"}
    for source, name, fresh in (
        (electra, "electric", towers),
        (tables, "electric", towers),
        (run, "electra", {"generator", "generator head"}),
        (run, "mlm", {"generator head"}),
    ):
        model = ElectraModel(Architecture.of(config.replaced({"objective.name": name})))
        with pytest.raises(DataError, match="would begin fresh"):
            load_weights(model, find_source(source))
        report = load_weights(model, find_source(source), allow_missing=["generator"])
        assert set(report.missing_parts()) == fresh


# -- commands --------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_run_is_resumed_evaluated_and_scored(
    electra: Electra, data: Path, tmp_path: Path
) -> None:
    options = ["--preset", "tiny", "--data", data, "--device", "cpu", "--steps", 8, "--json"]
    options += settings(
        "objective.name=electric",
        "model.gradient_checkpointing=true",
        "train.accumulation_steps=2",
        "train.best_metric=cloze_accuracy",
    )
    whole = electra("pretrain", *options, "--model-dir", tmp_path / "whole")
    assert whole.code == 0, whole.stderr
    result = whole.json
    assert tuple(result["losses"]) == ELECTRIC.losses
    assert tuple(result["evaluation"]) == metrics_of([ELECTRIC], detail=True)
    assert "cloze " in whole.stderr

    copied(tmp_path / "whole", tmp_path / "parts", newest=4)
    parts = electra("pretrain", *options, "--model-dir", tmp_path / "parts").json
    assert (parts["start_step"], parts["state_sha256"]) == (4, result["state_sha256"])

    again = electra("evaluate", tmp_path / "whole", "--device", "cpu", "--json")
    (found,) = again.json["checkpoints"]
    for name in ("cloze_loss", "masked_lm_loss", "disc_loss", "disc_auc"):
        assert found["metrics"][name] == pytest.approx(result["evaluation"][name], rel=1e-4), name
    (tmp_path / "sentences").write_text("assignment statements are used\n", encoding="utf-8")
    scored = electra(
        "evaluate", tmp_path / "whole", "--pseudo-likelihood", tmp_path / "sentences", "--json"
    )
    (sentence,) = scored.json["sentences"]
    assert sentence["score"] < 0
