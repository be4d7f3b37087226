"""What each way to share weights learns from a batch, against the same modules of transformers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
import torch
import transformers
from torch.nn import functional

from electra_cli.export.run import export
from electra_cli.interop.source import find_source
from electra_cli.interop.weights import load_weights, values_of
from electra_cli.modeling.architecture import Architecture
from electra_cli.modeling.electra import ElectraModel
from electra_cli.modeling.fused import plain_operations
from electra_cli.objectives import objective_of
from tests.export.runs import small_config, write_run
from tests.modeling.test_electra import features

SHARED: dict[str, dict[str, object]] = {
    "none": {"generator.sharing": "none"},
    "tied": {"generator.sharing": "tied"},
    "all": {"generator.sharing": "all", "generator.size": 1.0},  # of it nothing is recorded
}


@pytest.mark.parametrize("sharing", SHARED)
def test_losses_and_gradients_are_those_of_transformers(tmp_path: Path, sharing: str) -> None:
    config = small_config(24).replaced(SHARED[sharing])
    run = write_run(tmp_path / "run", values=SHARED[sharing])
    export(checkpoint=run, format="huggingface", output=tmp_path / "theirs")
    objective = objective_of(config.objective)
    ours = ElectraModel(Architecture.of(config), forward=objective.forward)
    load_weights(ours, find_source(run))
    batch = features(config, rows=6)
    # By its place, so that a place that was drawn twice is filled with one token.
    batch["sampled_ids"] = batch["masked_lm_positions"] % config.model.vocab_size
    with plain_operations(), tf.GradientTape() as tape:
        outputs = ours(batch, training=False)
        losses = objective.mean_losses(batch, outputs, objective.counts(batch))
    found = tape.gradient(losses["total_loss"], ours.trainable_variables)

    discriminator, generator = _networks(tmp_path / "theirs", sharing)
    masked_lm_loss, disc_loss = _losses(generator, discriminator, batch)
    np.testing.assert_allclose(losses["masked_lm_loss"], masked_lm_loss.item(), rtol=1e-5)
    np.testing.assert_allclose(losses["disc_loss"], disc_loss.item(), rtol=1e-5)
    (masked_lm_loss + 50 * disc_loss).backward()
    # Gradients come back under our names in the way that weights do.
    for name, network in (("discriminator", discriminator), ("generator", generator)):
        for parameter in network.parameters():
            parameter.data = (
                torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
            )
        network.save_pretrained(tmp_path / "gradients" / name)
    theirs = ElectraModel(Architecture.of(config))
    report = load_weights(theirs, find_source(tmp_path / "gradients"))
    assert report.missing == []
    expected = values_of(theirs)
    whole = np.sqrt(sum(np.square(array).sum() for array in expected.values()))
    for variable, gradient in zip(ours.trainable_variables, found, strict=True):
        name = variable.name.split(":")[0]
        of = expected[name]
        difference = np.linalg.norm(tf.convert_to_tensor(gradient) - of)
        # Keys have a bias whose true gradient is zero.
        assert difference <= 1e-4 * np.linalg.norm(of) + 1e-7 * whole, name


def _networks(folder: Path, sharing: str) -> tuple[torch.nn.Module, torch.nn.Module]:
    """Discriminator and generator, of which one has modules of the other."""
    discriminator = transformers.ElectraForPreTraining.from_pretrained(folder / "discriminator")
    generator = transformers.ElectraForMaskedLM.from_pretrained(folder / "generator")
    if sharing == "all":
        generator.electra = discriminator.electra
    elif sharing == "tied":
        generator.electra.embeddings = discriminator.electra.embeddings
    generator.generator_lm_head.weight = generator.get_input_embeddings().weight
    return discriminator.eval(), generator.eval()


def _losses(
    generator: torch.nn.Module, discriminator: torch.nn.Module, batch: dict[str, tf.Tensor]
) -> tuple[torch.Tensor, torch.Tensor]:
    """Both losses (Clark et al. 2020, section 3.2), each a mean over what it counts."""
    given = {name: torch.from_numpy(array.numpy()) for name, array in batch.items()}
    said = {"attention_mask": given["input_mask"], "token_type_ids": given["segment_ids"]}
    places, weights = given["masked_lm_positions"].long(), given["masked_lm_weights"]
    logits = generator(input_ids=given["masked_input_ids"], **said).logits  # [B, S, V]
    at_places = logits.gather(1, places[..., None].expand(-1, -1, logits.shape[-1]))  # [B, M, V]
    each = functional.cross_entropy(
        at_places.transpose(1, 2), given["masked_lm_ids"].long(), reduction="none"
    )  # [B, M]
    masked_lm_loss = (each * weights).sum() / weights.sum()

    ids = given["input_ids"].clone()
    for row, slot in torch.nonzero(weights).tolist():
        ids[row, places[row, slot]] = given["sampled_ids"][row, slot]
    replaced = (ids != given["input_ids"]).float()  # [B, S]
    mask = given["input_mask"].float()
    logits = discriminator(input_ids=ids, **said).logits  # [B, S]
    each = functional.binary_cross_entropy_with_logits(logits, replaced, reduction="none")
    return masked_lm_loss, (each * mask).sum() / mask.sum()
