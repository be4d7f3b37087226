"""The comparison finds what is wrong with an export, by either method."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from electra_cli.errors import TrainingError
from electra_cli.export.formats import huggingface as layout
from electra_cli.export.run import Exported
from electra_cli.modeling.electra import ElectraModel
from electra_cli.sources.exportable import Exportable

METHODS = ["transformers", "numpy"]
Damage = Callable[[dict[str, np.ndarray]], None]


@pytest.fixture(params=METHODS)
def method(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(layout, "has_transformers", lambda: request.param == "transformers")
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
