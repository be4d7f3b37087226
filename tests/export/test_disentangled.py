"""A run whose embeddings are kept apart leaves as a plain ELECTRA, in every format."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
import torch
import transformers

from electra_cli.export.checks.probe import make_probe
from electra_cli.export.run import export
from electra_cli.finetuning.columns import encoder_weights
from electra_cli.interop.restore import restore
from electra_cli.modeling.architecture import Architecture
from electra_cli.modeling.electra import ElectraModel
from electra_cli.modeling.fused import plain_operations
from electra_cli.runs.named import find_checkpoints
from electra_cli.sources.exportable import open_own
from tests.export.runs import write_run

APART = {"generator.sharing": "disentangled"}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its embeddings are as wide as its generator, as the reference needs untied ones to be."""
    return write_run(tmp_path_factory.mktemp("run") / "run", embedding=16, values=APART)


def test_transformers_computes_what_was_trained(run: Path, tmp_path: Path) -> None:
    export(checkpoint=run, format="huggingface", output=tmp_path / "out")
    (checkpoint,) = find_checkpoints(run)
    model = ElectraModel(Architecture.of(checkpoint.config()))
    restore(tf.train.Checkpoint(model=model), checkpoint.prefix, hint="")
    batch = make_probe(open_own(checkpoint))
    features = batch.features()
    with plain_operations():
        ours = {
            "discriminator": model.discriminate(features["input_ids"], features)[0].numpy(),
            "generator": model.generate(features).numpy(),
        }
    for name, kind in (("discriminator", "PreTraining"), ("generator", "MaskedLM")):
        loaded = getattr(transformers, f"ElectraFor{kind}").from_pretrained(tmp_path / "out" / name)
        with torch.no_grad():
            theirs = loaded.eval()(
                input_ids=torch.from_numpy(batch.ids).long(),
                attention_mask=torch.from_numpy(batch.mask).long(),
                token_type_ids=torch.from_numpy(batch.segments).long(),
            ).logits.numpy()
        np.testing.assert_allclose(theirs, ours[name], rtol=0, atol=1e-4)
    # What is fine-tuned begins from the same encoder, under the names of any other.
    weights = encoder_weights(open_own(checkpoint))
    words = model.generator_embeddings.words + model.embeddings.word_residual
    np.testing.assert_array_equal(weights["electra/embeddings/word_embeddings"], words)
    assert all(name.startswith("electra/") for name in weights)


@pytest.mark.parametrize("embedding", [16, 24])
def test_what_the_reference_cannot_do_with_it_is_told(tmp_path: Path, embedding: int) -> None:
    run = write_run(tmp_path / "run", embedding=embedding, values=APART)
    told: list[str] = []
    export(checkpoint=run, format="reference", output=tmp_path / "out", on_progress=told.append)
    assert any("cannot go on to pretrain" in note for note in told) == (embedding != 16)
    # Outside of a run it is read as a plain ELECTRA too.
    export(checkpoint=tmp_path / "out", format="huggingface", output=tmp_path / "again")
    alone = Path(shutil.copytree(run / "checkpoints", tmp_path / "alone")) / "ckpt-7"
    export(checkpoint=alone, format="huggingface", output=tmp_path / "of-a-file")


@pytest.mark.parametrize(
    "format", [pytest.param("saved-model", marks=pytest.mark.slow), "onnx", "reference"]
)
def test_other_formats_pass_their_own_comparison(run: Path, tmp_path: Path, format: str) -> None:
    exported = export(checkpoint=run, format=format, output=tmp_path / "out")
    assert exported.parity.max_abs_difference <= exported.parity.bound
    if format == "reference":
        names = {name for name, _ in tf.train.list_variables(str(tmp_path / "out"))}
        assert {f"{n}/embeddings/word_embeddings" for n in ("electra", "generator")} <= names
        assert not any("residual" in name for name in names)
