"""The ONNX files: any shape, the model's outputs, and a folder that needs nothing else."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import transformers

from electra_cli.errors import ConfigError, TrainingError
from electra_cli.export import networks
from electra_cli.export.checks.probe import Probe, make_probe
from electra_cli.export.formats import onnx_graph, onnx_model
from electra_cli.export.run import Exported, export
from electra_cli.interop.huggingface import Tensors, network_tensors
from electra_cli.modeling.electra import ElectraModel
from electra_cli.sources.exportable import Exportable

OUTPUTS = {"discriminator.onnx": "logits", "encoder.onnx": "sequence_output"}
MAX_POSITIONS = 24


@pytest.fixture(scope="module")
def exported(run_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Exported:
    output = tmp_path_factory.mktemp("exports") / "onnx"
    return export(checkpoint=run_folder, format="onnx", output=output)


def run_file(folder: Path, name: str, batch: Probe) -> np.ndarray:
    session = onnxruntime.InferenceSession(folder / name, providers=["CPUExecutionProvider"])
    inputs = {"input_ids": batch.ids, "input_mask": batch.mask, "segment_ids": batch.segments}
    (found,) = session.run(None, inputs)
    return found


@pytest.mark.parametrize("shape", [(3, 16), (1, 3), (5, MAX_POSITIONS)])
def test_any_shape_gives_the_models_outputs(
    exported: Exported, model: ElectraModel, source: Exportable, shape: tuple[int, int]
) -> None:
    generator = np.random.default_rng(0)
    mask = np.ones(shape, np.int32)
    mask[0, shape[1] // 2 :] = 0
    segments = np.zeros(shape, np.int32)
    segments[-1, shape[1] // 2 :] = 1
    ids = generator.integers(source.config.model.vocab_size, size=shape).astype(np.int32)
    batch = make_probe(source) if shape == (3, 16) else Probe(ids, mask, segments)
    logits, sequence = model.discriminate(batch.ids, batch.features())
    for name, expected in (("discriminator.onnx", logits), ("encoder.onnx", sequence)):
        found = run_file(exported.output, name, batch)
        assert found.dtype == np.float32
        np.testing.assert_allclose(found, expected.numpy(), rtol=0, atol=1e-5)


def test_the_graphs_are_valid_and_name_their_shapes(exported: Exported) -> None:
    for name, output in OUTPUTS.items():
        file = onnx.load(exported.output / name)
        onnx.checker.check_model(file, full_check=True)
        (opset,) = file.opset_import
        assert (opset.domain, opset.version) == ("", 17)
        session = onnxruntime.InferenceSession(
            exported.output / name, providers=["CPUExecutionProvider"]
        )
        found = [(value.name, value.type, value.shape) for value in session.get_inputs()]
        shape: list[str | int] = ["batch", "length"]
        assert found == [
            (key, "tensor(int32)", shape) for key in ("input_ids", "input_mask", "segment_ids")
        ]
        (value,) = session.get_outputs()
        if output == "sequence_output":
            shape = [*shape, 32]
        assert (value.name, value.type, value.shape) == (output, "tensor(float)", shape)


def test_files_parity_and_card(exported: Exported) -> None:
    tokenizer = ["tokenizer.json", "tokenizer_config.json", "vocab.txt"]
    assert exported.files == ["README.md", "discriminator.onnx", "encoder.onnx", *tokenizer]
    assert exported.parity.method == "numpy"
    assert 0 < exported.parity.max_abs_difference <= exported.parity.bound
    card = (exported.output / "README.md").read_text(encoding="utf-8")
    assert "# ELECTRA discriminator, ONNX" in card
    assert "[B, S, 32]" in card


def test_the_code_of_the_card_runs(exported: Exported) -> None:
    card = (exported.output / "README.md").read_text(encoding="utf-8")
    code = card.split("```python\n")[1].split("```")[0].replace("FOLDER", str(exported.output))
    transformers.utils.logging.disable_progress_bar()
    found: dict[str, Any] = {}
    exec(code, found)
    assert found["logits"].shape == found["text"]["input_ids"].shape


def _swap_query_and_key(tensors: Tensors) -> None:
    scope = "electra.encoder.layer.0.attention.self"
    query, key = f"{scope}.query.weight", f"{scope}.key.weight"
    tensors[query], tensors[key] = tensors[key], tensors[query]


def _make_nan(tensors: Tensors) -> None:
    tensors["electra.embeddings.LayerNorm.weight"][0] = np.nan


def fails_and_leaves_nothing(run_folder: Path, folder: Path, name: str) -> None:
    with pytest.raises(TrainingError, match=f"{re.escape(name)} differs"):
        export(checkpoint=run_folder, format="onnx", output=folder / "out")
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("damage", [_swap_query_and_key, _make_nan])
def test_a_wrong_tensor_fails_the_export(
    one_run: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    damage: Callable[[Tensors], None],
) -> None:
    """It reaches the files and NumPy alike, and shows against the model."""

    def damaged(model: ElectraModel) -> dict[str, Tensors]:
        parts = network_tensors(model)
        parts["discriminator"] = {key: v.copy() for key, v in parts["discriminator"].items()}
        damage(parts["discriminator"])
        return parts

    monkeypatch.setattr(networks, "network_tensors", damaged)
    fails_and_leaves_nothing(one_run, tmp_path, "discriminator.onnx")


@pytest.mark.parametrize("name", OUTPUTS)
def test_a_wrong_graph_fails_the_export(
    one_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    def build(config: dict[str, Any], tensors: Tensors, outputs: Sequence[str]) -> onnx.ModelProto:
        heads = 2 if list(outputs) == [OUTPUTS[name]] else 4
        return onnx_graph.build(config | {"num_attention_heads": heads}, tensors, outputs)

    monkeypatch.setattr(onnx_model, "build", build)
    fails_and_leaves_nothing(one_run, tmp_path, name)


def test_a_missing_package_is_named(
    one_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "onnxruntime" else find(name)
    )
    with pytest.raises(ConfigError, match="needs onnxruntime, which") as caught:
        export(checkpoint=one_run, format="onnx", output=tmp_path / "out")
    assert caught.value.hint == "pip install '.[onnx]'"
    assert export(checkpoint=one_run, format="huggingface", output=tmp_path / "out").files


def test_without_the_extra_the_command_ends_before_tensorflow(
    one_run: Path, tmp_path: Path
) -> None:
    code = (
        "import sys\n"
        "from importlib import util\n"
        "from electra_cli.cli.app import run\n"
        "find = util.find_spec\n"
        "util.find_spec = lambda n, *more: None if n.startswith('onnx') else find(n, *more)\n"
        f"bad = ['--format', 'onnx', '--output', {str(tmp_path / 'out')!r}]\n"
        f"assert run(['export', {str(one_run)!r}, *bad]) == 2\n"
        "assert 'tensorflow' not in sys.modules\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "pip install '.[onnx]'" in done.stderr
    assert not (tmp_path / "out").exists()
