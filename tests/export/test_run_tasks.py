"""Exports of fine-tuned models are there complete and checked, or not at all."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from electra_cli.errors import ConfigError, DataError, InputMissingError, TrainingError
from electra_cli.export import networks
from electra_cli.export.checks.parity import compare
from electra_cli.export.formats import huggingface
from electra_cli.export.run import FORMATS, export
from electra_cli.files.layout import RESULT_FILE
from electra_cli.sources.exportable import open_task
from electra_cli.sources.finetuned import open_finetuned
from tests.conftest import Electra
from tests.finetuning.finetuned_folders import KINDS, write_finetuned

OF_TASKS = [format for format in FORMATS if format != "reference"]


@pytest.fixture(scope="module")
def finetuned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_finetuned(tmp_path_factory.mktemp("finetuned") / "mine")


@pytest.fixture(scope="module")
def of_reference(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("finetuned") / "theirs"
    return write_finetuned(folder, "qa", head="reference")


@pytest.fixture
def output(tmp_path: Path) -> Path:
    return tmp_path / "exports" / "out"


def test_the_folder_means_its_best_run(finetuned: Path, output: Path) -> None:
    stages: list[str] = []
    found = export(
        checkpoint=finetuned, format="huggingface", output=output, on_progress=stages.append
    )
    best = finetuned / "model" / "seed-0"
    assert found.checkpoint.parents[2] == best
    assert len(stages) == 3  # none of them about a generator
    named = export(checkpoint=best, format="huggingface", output=output.with_name("named"))
    other = export(
        checkpoint=best.with_name("seed-1"), format="huggingface", output=output.with_name("other")
    )
    weights = [load_file(each.output / "model.safetensors") for each in (found, named, other)]
    name = "classifier.out_proj.weight"
    np.testing.assert_array_equal(weights[0][name], weights[1][name])
    assert not np.array_equal(weights[0][name], weights[2][name])


@pytest.mark.parametrize(
    ("source", "format"),
    [*(("finetuned", format) for format in OF_TASKS), ("of_reference", "saved-model")],
)
def test_a_difference_fails_the_export(
    source: str,
    format: str,
    output: Path,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> None:
    strict = partial(compare, tolerance=1e-12)
    monkeypatch.setattr(f"electra_cli.export.formats.{FORMATS[format]}.compare", strict)
    folder = request.getfixturevalue(source)
    with pytest.raises(TrainingError, match="differs from the model"):
        export(checkpoint=folder, format=format, output=output)
    assert list(output.parent.iterdir()) == []


@pytest.mark.parametrize("method", ["transformers", "numpy"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_wrong_head_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, method: str
) -> None:
    """The largest weight of the last layer, of every kind, by either method."""
    folder = write_finetuned(tmp_path / "mine", kind)
    monkeypatch.setattr(huggingface, "has_transformers", lambda: method == "transformers")
    output = tmp_path / "out"
    assert export(checkpoint=folder, format="huggingface", output=output).parity.method == method
    right = networks.task_tensors

    def wrong(*arguments: object, **scaling: float) -> dict[str, np.ndarray]:
        tensors = right(*arguments, **scaling)
        (name,) = (n for n in tensors if n.endswith((
            "out_proj.weight", "classifier.weight", "qa_outputs.weight")))  # fmt: skip
        return tensors | {name: tensors[name][::-1] * 1.5}

    monkeypatch.setattr(networks, "task_tensors", wrong)
    with pytest.raises(TrainingError, match=f"exported {kind} differs"):
        export(checkpoint=folder, format="huggingface", output=tmp_path / "wrong")
    assert not (tmp_path / "wrong").exists()


def test_an_encoder_of_masked_language_modelling(tmp_path: Path) -> None:
    """It has no discriminator, and is exported as any other."""
    folder = write_finetuned(tmp_path / "mine", "tagging", objective="mlm")
    for format in OF_TASKS:
        assert export(checkpoint=folder, format=format, output=tmp_path / format).files


def test_the_reference_has_no_format_for_tasks(finetuned: Path, output: Path) -> None:
    with pytest.raises(ConfigError, match="is fine-tuned") as caught:
        export(checkpoint=finetuned, format="reference", output=output)
    assert "--format huggingface" in caught.value.hint
    assert not output.parent.exists()


@pytest.mark.parametrize("format", ["huggingface", "onnx"])
def test_a_reference_head_has_no_place_elsewhere(
    of_reference: Path, output: Path, electra: Electra, format: str
) -> None:
    arguments = ("--format", format, "--output", output, "--json")
    electra("export", of_reference, *arguments).failed(
        2, "the reference's head", "--head huggingface", "--format saved-model"
    )
    assert not output.parent.exists()


@pytest.mark.parametrize(
    "option", [["--lowercase"], ["--vocab", "vocab.txt"], ["--reference-config", "x.json"]]
)
def test_options_that_it_has_no_use_for(
    finetuned: Path, output: Path, electra: Electra, option: list[str]
) -> None:
    arguments = ("--format", "onnx", "--output", output, "--json")
    electra("export", finetuned, *arguments, *option).failed(2, "leave out", option[0])


def test_the_command_says_what_it_wrote(finetuned: Path, output: Path, electra: Electra) -> None:
    found = electra("export", finetuned, "--format", "huggingface", "--output", output, "--json")
    assert found.code == 0
    assert "model.safetensors" in found.json["files"]
    assert "to fine-tune" not in found.stdout + found.stderr


def test_parts_of_the_folder_name_what_to_type(finetuned: Path, output: Path) -> None:
    for part in (
        "model",
        "model/seed-0/checkpoints/ckpt-9",
        "model/seed-0/checkpoints/ckpt-9/state",
    ):
        with pytest.raises(DataError, match="is a part of") as caught:
            export(checkpoint=finetuned / part, format="onnx", output=output)
        assert "COLUMN/seed-N" in caught.value.hint
    with pytest.raises(InputMissingError, match="seed-7"):
        export(checkpoint=finetuned / "model" / "seed-7", format="onnx", output=output)


def test_what_is_damaged_or_not_finished_is_bad_data(tmp_path: Path) -> None:
    folder = write_finetuned(tmp_path / "mine")
    (shard,) = (folder / "model" / "seed-0").rglob("state.data-*")
    content = bytearray(shard.read_bytes())
    content[len(content) // 2] ^= 255
    shard.write_bytes(content)
    with pytest.raises(DataError, match="ckpt-9"):
        export(checkpoint=folder, format="onnx", output=tmp_path / "out")
    (folder / RESULT_FILE).unlink()
    with pytest.raises(DataError, match="not finished"):
        export(checkpoint=folder, format="onnx", output=tmp_path / "out")
    other = folder / "model" / "seed-1"
    assert export(checkpoint=other, format="onnx", output=tmp_path / "out").files


def test_numbers_far_from_zero_keep_their_parity(tmp_path: Path) -> None:
    """Years, for example: what the last layer adds is large, and so is the bound."""
    folder = write_finetuned(tmp_path / "mine", "regression")
    inputs = folder / "inputs.json"
    record = json.loads(inputs.read_text(encoding="utf-8")) | {"labels": ["1900", "2000"]}
    inputs.write_text(json.dumps(record), encoding="utf-8")
    item = open_task(open_finetuned(folder))
    (network,) = networks.networks_of(item.load_model(), item)
    plain = networks.task_tensors(item.load_model(), "regression", scale=1, offset=0)
    name = "classifier.out_proj.bias"
    np.testing.assert_allclose(network.tensors[name], plain[name] * 100 + 1900)
    for format in ("huggingface", "onnx"):
        assert export(checkpoint=folder, format=format, output=tmp_path / format).files
