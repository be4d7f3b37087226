"""The comparison finds what is wrong with an export, by either method."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from electra_cli.corpus.shards.manifest import load_manifest
from electra_cli.errors import TrainingError
from electra_cli.export.checks.probe import make_probe
from electra_cli.export.formats import huggingface as layout
from electra_cli.export.run import Exported
from electra_cli.export.sources.exportable import Exportable
from electra_cli.inputs.store import RowStore
from electra_cli.modeling.electra import ElectraModel

METHODS = ["transformers", "numpy"]
Damage = Callable[[dict[str, np.ndarray]], None]


@pytest.fixture(params=METHODS)
def method(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(layout, "_has_transformers", lambda: request.param == "transformers")
    return request.param


def test_both_methods_agree(
    model: ElectraModel, source: Exportable, huggingface: Exported, method: str
) -> None:
    found = layout.check(model, source, huggingface.output)
    assert found.method == method
    assert 0 < found.max_abs_difference <= found.bound
    assert found.bound >= 1e-4


def _swap_query_and_key(tensors: dict[str, np.ndarray]) -> None:
    scope = "electra.encoder.layer.0.attention.self"
    query, key = f"{scope}.query.weight", f"{scope}.key.weight"
    tensors[query], tensors[key] = tensors[key], tensors[query]


def _transpose(tensors: dict[str, np.ndarray]) -> None:
    name = "electra.encoder.layer.1.attention.output.dense.weight"
    tensors[name] = np.ascontiguousarray(tensors[name].T)


def _drop(tensors: dict[str, np.ndarray]) -> None:
    del tensors["electra.encoder.layer.1.output.LayerNorm.bias"]


def _add(tensors: dict[str, np.ndarray]) -> None:
    tensors["electra.embeddings.more.weight"] = np.zeros([3], np.float32)


def _make_nan(tensors: dict[str, np.ndarray]) -> None:
    tensors["electra.embeddings.LayerNorm.weight"][0] = np.nan


@pytest.mark.parametrize("network", ["discriminator", "generator"])
@pytest.mark.parametrize("damage", [_swap_query_and_key, _transpose, _drop, _add, _make_nan])
def test_a_wrong_tensor_is_found(
    model: ElectraModel,
    source: Exportable,
    huggingface: Exported,
    tmp_path: Path,
    method: str,
    network: str,
    damage: Damage,
) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(huggingface.output, copy)
    tensors = load_file(copy / network / "model.safetensors")
    damage(tensors)
    save_file(tensors, copy / network / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(TrainingError, match=network):
        layout.check(model, source, copy)


def test_held_out_rows_are_compared_on_if_the_data_is_there(source: Exportable, data: Path) -> None:
    manifest = load_manifest(data)
    config = source.config.replaced(
        {
            "data.path": str(data),
            "data.sequence_length": 32,
            "model.max_position_embeddings": 32,
            "model.vocab_size": manifest.vocab.size,
        }
    )
    real = dataclasses.replace(source, config=config, manifest=manifest)
    batch = make_probe(real)
    held_out = RowStore(manifest.paths_of("validation"), manifest.sequence_length).gather(
        np.arange(2)
    )
    np.testing.assert_array_equal(batch.ids[:2], held_out)
    assert set(np.unique(batch.segments[2])) == {0, 1}
    assert batch.mask[2, -1] == 0

    gone = config.replaced({"data.path": str(data / "nowhere")})
    batch = make_probe(dataclasses.replace(real, config=gone))
    assert not np.array_equal(batch.ids[:2], held_out)
