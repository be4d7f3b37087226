"""Generators with layers and embeddings of their own, one encoder for both, and none at all."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from electra_cli.errors import DataError
from electra_cli.export.run import export
from electra_cli.interop.source import find_source
from electra_cli.interop.weights import load_checkpoint, load_weights, values_of
from electra_cli.modeling.architecture import Architecture
from electra_cli.modeling.electra import ElectraModel
from electra_cli.runs.named import find_checkpoints
from electra_cli.sources.foreign import open_foreign
from tests.export.runs import small_config, write_run
from tests.interop.conftest import assert_same

# What is to be another than in a run of the default, and the widths of embeddings in its export.
SHAPES = {
    "none": (
        {"generator.sharing": "none", "generator.embedding_size": 12, "generator.layers": 0.5},
        {"discriminator": 24, "generator": 12},
    ),
    "none, as wide": (
        {"generator.sharing": "none", "generator.embedding_size": 24},
        {"discriminator": 24, "generator": 24},
    ),
    "all": (
        {"generator.sharing": "all", "generator.size": 1.0},
        {"discriminator": 24, "generator": 24},
    ),
    "uniform": ({"objective.uniform_generator": True}, {"discriminator": 24}),
}


@pytest.mark.slow
@pytest.mark.parametrize("shape", SHAPES)
def test_weights_come_back_from_every_format(tmp_path: Path, shape: str) -> None:
    values, widths = SHAPES[shape]
    config = small_config(24).replaced(values)
    run = write_run(tmp_path / "run", values=values)
    (checkpoint,) = find_checkpoints(run)
    expected = values_of(load_checkpoint(checkpoint))
    exported = {}
    for format, method in (("huggingface", "transformers"), ("reference", "numpy")):
        exported[format] = tmp_path / format
        done = export(checkpoint=run, format=format, output=exported[format])
        assert done.parity.method == method
        assert set(done.networks) == set(widths)
    texts = [path.read_text() for path in sorted(exported["huggingface"].glob("*/README.md"))]
    words = {"all": "with the same encoder", "uniform": "tokens that chance had put in"}
    for key, sentence in words.items():
        assert any(sentence in text for text in texts) == (key == shape)
    folders = {path.name: path for path in exported["huggingface"].iterdir() if path.is_dir()}
    found = {n: json.loads((p / "config.json").read_text()) for n, p in folders.items()}
    assert {name: of["embedding_size"] for name, of in found.items()} == widths

    for path in (run, *exported.values()):
        model = ElectraModel(Architecture.of(config.replaced({"train.seed": 1})))
        source = find_source(path)
        source.check(model.architecture)
        report = load_weights(model, source)
        assert (report.missing, report.unused) == ([], [])
        assert_same(values_of(model), expected)

    # As weights of somebody else's, of which nothing is known but what lies there.
    recorded = exported["reference"] / "config.json"
    for path, told in ((exported["huggingface"], None), (exported["reference"], recorded)):
        item = open_foreign(path, reference_config=told, scratch=tmp_path)
        again = item.load_model()
        assert set(item.networks) == set(widths)
        ids = np.arange(5, 13)[None]  # [1, S]
        features = {
            "input_mask": np.ones_like(ids), "segment_ids": np.zeros_like(ids),
            "masked_input_ids": ids, "masked_lm_positions": np.array([[1, 4]]),
        }  # fmt: skip
        ours = said(load_checkpoint(checkpoint), ids, features)
        theirs = said(again, ids, features)
        for network in widths:
            np.testing.assert_array_equal(ours[network], theirs[network])


def said(
    model: ElectraModel, ids: np.ndarray, features: dict[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """The logits of each network that there is."""
    found = {"discriminator": model.discriminate(ids, features)[0].numpy()}
    if model.architecture.generator is not None:
        found["generator"] = model.generate(features).numpy()
    return found


@pytest.mark.parametrize(("source", "model"), [("none", "tied"), ("tied", "none")])
def test_a_generator_with_other_embeddings_is_told(tmp_path: Path, source: str, model: str) -> None:
    """Although all widths are the same, and only names say so."""

    def values(sharing: str) -> dict[str, object]:
        width = 24 if sharing == "none" else None
        return {"generator.sharing": sharing, "generator.embedding_size": width}

    path = write_run(tmp_path / "run", values=values(source))
    config = small_config(24).replaced(values(model))
    fresh, found = ElectraModel(Architecture.of(config)), find_source(path)
    with pytest.raises(DataError, match="and this model's does not") as error:
        load_weights(fresh, found)
    assert f"--set generator.sharing={source}" in error.value.hint
    before = fresh.generator.blocks[0].output.kernel.numpy()
    report = load_weights(fresh, found, allow_missing=["generator"])
    assert {"generator", "generator head"} <= set(report.missing_parts())
    np.testing.assert_array_equal(fresh.generator.blocks[0].output.kernel.numpy(), before)
