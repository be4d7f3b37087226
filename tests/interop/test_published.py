"""Models as others publish them: what transformers loads, with the same logits, is loaded here."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import ElectraForMaskedLM, ElectraForPreTraining

from electra_cli.errors import DataError
from electra_cli.interop.reference import Arrays
from electra_cli.interop.source import find_source
from electra_cli.interop.weights import load_weights, values_of
from electra_cli.modeling.electra import ElectraModel
from tests.interop.conftest import assert_same, write_tf1

CLASSES = {"discriminator": ElectraForPreTraining, "generator": ElectraForMaskedLM}


def rename(folder: Path, *pairs: tuple[str, str]) -> None:
    """Gives tensors other names, wherever one of the texts is in theirs."""
    tensors = load_file(folder / "model.safetensors")
    renamed = {}
    for name, tensor in tensors.items():
        for old, new in pairs:
            name = name.replace(old, new)
        renamed[name] = tensor
    save_file(renamed, folder / "model.safetensors", metadata={"format": "pt"})


def old_names(folder: Path) -> None:
    rename(folder, ("LayerNorm.weight", "LayerNorm.gamma"), ("LayerNorm.bias", "LayerNorm.beta"))


def some_old_names(folder: Path) -> None:
    rename(folder, ("output.LayerNorm.weight", "output.LayerNorm.gamma"))


def buffers(folder: Path) -> None:
    tensors = load_file(folder / "model.safetensors")
    for name in ("position_ids", "token_type_ids"):
        tensors[f"electra.embeddings.{name}"] = torch.arange(24)[None]
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})


def no_architecture(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    del config["architectures"]
    (folder / "config.json").write_text(json.dumps(config))


def logits_of(model: ElectraModel, ids: np.ndarray) -> dict[str, np.ndarray]:
    import tensorflow as tf

    length = ids.shape[1]
    features = {
        "masked_input_ids": tf.constant(ids, tf.int32),
        "input_mask": tf.ones_like(ids, tf.int32),
        "segment_ids": tf.zeros_like(ids, tf.int32),
        "masked_lm_positions": tf.tile(tf.range(length)[None], [len(ids), 1]),
    }
    return {
        "discriminator": model.discriminate(features["masked_input_ids"], features)[0].numpy(),
        "generator": model.generate(features).numpy(),
    }


@pytest.mark.parametrize("change", [old_names, some_old_names, buffers, no_architecture])
def test_with_the_logits_of_transformers(
    exported: Path,
    run_values: Arrays,
    fresh: Callable[..., ElectraModel],
    tmp_path: Path,
    change: Callable[[Path], None],
) -> None:
    folder = Path(shutil.copytree(exported, tmp_path / "model"))
    for network in CLASSES:
        change(folder / network)
    model = fresh()
    report = load_weights(model, find_source(folder))
    assert (report.missing, report.unused) == ([], [])
    assert_same(values_of(model), run_values)
    ids = np.random.default_rng(0).integers(5, 200, size=(2, 16))
    ours = logits_of(model, ids)
    for network, kind in CLASSES.items():
        loaded, info = kind.from_pretrained(folder / network, output_loading_info=True)
        assert not info["missing_keys"]
        with torch.no_grad():
            theirs = loaded.eval()(torch.from_numpy(ids)).logits.numpy()
        np.testing.assert_allclose(ours[network], theirs, atol=1e-4)


@pytest.mark.parametrize(
    ("pair", "found"),
    [
        # What torch's DistributedDataParallel, or a wrapper of one's own, puts before every name.
        (("electra.", "module.electra."), "module.electra.embeddings.LayerNorm.bias"),
        (("electra.embeddings.w", "backbone.w"), "backbone.word_embeddings.weight"),
        (("LayerNorm.weight", "LayerNorm.scale"), "electra.embeddings.LayerNorm.scale"),
    ],
)
def test_what_was_found_instead_is_named(
    exported: Path,
    fresh: Callable[..., ElectraModel],
    tmp_path: Path,
    pair: tuple[str, str],
    found: str,
) -> None:
    folder = Path(shutil.copytree(exported / "discriminator", tmp_path / "model"))
    rename(folder, pair)
    with pytest.raises(DataError, match=r"of its embeddings, .* missing; without a place") as error:
        load_weights(fresh(), find_source(folder), allow_missing=["generator"])
    assert f"discriminator/{found}" in error.value.message


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_no_numbers(
    exported: Path, fresh: Callable[..., ElectraModel], tmp_path: Path, value: float
) -> None:
    folder = Path(shutil.copytree(exported / "discriminator", tmp_path / "model"))
    tensors = load_file(folder / "model.safetensors")
    tensors["electra.encoder.layer.0.output.dense.weight"][1, 2] = value
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    model = fresh()
    before = values_of(model)
    with pytest.raises(DataError, match="layer_0/output/dense/kernel has values that are no"):
        load_weights(model, find_source(folder), allow_missing=["generator"])
    assert_same(values_of(model), before)


def test_an_encoder_alone(
    exported: Path, run_values: Arrays, fresh: Callable[..., ElectraModel], tmp_path: Path
) -> None:
    """Its tensors have no `electra.` before their names."""
    whole = ElectraForPreTraining.from_pretrained(exported / "discriminator")
    whole.electra.save_pretrained(tmp_path)
    assert "embeddings.word_embeddings.weight" in load_file(tmp_path / "model.safetensors")
    source = find_source(tmp_path)
    with pytest.raises(DataError, match="has no discriminator head") as error:
        load_weights(fresh(), source, allow_missing=["generator"])
    assert "--init-allow-missing discriminator" in error.value.hint
    model = fresh()
    report = load_weights(model, source, allow_missing=["generator", "discriminator"])
    assert report.unused == []
    assert {name.split("/")[0] for name in report.loaded} == {"electra"}
    for name in report.loaded:
        np.testing.assert_array_equal(values_of(model)[name], run_values[name])


def test_folders_of_simpletransformers(
    exported: Path, run_values: Arrays, fresh: Callable[..., ElectraModel], tmp_path: Path
) -> None:
    """Beside those of the networks the folder holds a model of both, which has names of its own."""
    for network in CLASSES:
        shutil.copytree(exported / network, tmp_path / f"{network}_model")
    top = exported / "discriminator"
    for name in ("config.json", "vocab.txt", "tokenizer_config.json", "model.safetensors"):
        shutil.copy(top / name, tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    config["architectures"] = ["ElectraForLanguageModelingModel"]
    (tmp_path / "config.json").write_text(json.dumps(config))
    rename(tmp_path, ("electra.", "discriminator_model.electra."))
    (tmp_path / "training_args.bin").write_bytes(b"\x80\x04.")
    model = fresh()
    source = find_source(tmp_path)
    assert len(source.tokenizers) == 3
    assert load_weights(model, source).unused == []
    assert_same(values_of(model), run_values)
    # Older versions wrote pickled files.
    for path in tmp_path.rglob("*.safetensors"):
        path.rename(path.with_name("pytorch_model.bin"))
    with pytest.raises(DataError, match=r"pytorch_model.bin is a pickled file"):
        find_source(tmp_path)


@pytest.mark.parametrize(
    ("make", "words", "hint"),
    [
        (lambda f: None, "holds no weights that can be read: it has nothing in it", "a run folder"),
        (
            lambda f: [(f / name).touch() for name in "abcdefg"],
            "it has a, b, c, d, e and 2 more",
            "a run folder",
        ),
        (
            lambda f: (f / "tf_model.h5").touch() or (f / "training_args.bin").touch(),
            "it has tf_model.h5, training_args.bin",
            "config.json and model.safetensors",
        ),
        (
            lambda f: [
                write_tf1((f / name).mkdir() or f / name / "m", {"x": np.zeros(1, np.float32)})
                for name in ("100", "200")
            ],
            "these folders in it do: 100, 200",
            "name one of them, for example {folder}/200",
        ),
        (
            lambda f: [write_tf1(f / name, {"x": np.zeros(1, np.float32)}) for name in "ab"],
            "holds 2 checkpoints, a, b, and no file `checkpoint`",
            "name one: {folder}/b",
        ),
    ],
)
def test_what_was_found_is_named(
    tmp_path: Path, make: Callable[[Path], object], words: str, hint: str
) -> None:
    make(tmp_path)
    with pytest.raises(DataError) as error:
        find_source(tmp_path)
    assert words in error.value.message
    assert hint.format(folder=tmp_path) in error.value.hint
