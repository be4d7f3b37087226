"""Weights of other projects as a source, and checkpoints of the reference as a format."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from safetensors.numpy import load_file, save_file

from electra_cli.config.values import shown
from electra_cli.errors import ConfigError, DataError, ElectraError, InputMissingError
from electra_cli.export.run import Exported, export
from tests import places
from tests.conftest import Electra

GOLDEN = places.GOLDEN
NETWORKS = ("discriminator", "generator")


@pytest.fixture(scope="module")
def reference(one_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Exported:
    output = tmp_path_factory.mktemp("exports") / "reference"
    return export(checkpoint=one_run, format="reference", output=output)


def tensors(folder: Path) -> dict[str, np.ndarray]:
    return {
        f"{network} {name}": value
        for network in NETWORKS
        for name, value in load_file(folder / network / "model.safetensors").items()
    }


def assert_same_tensors(first: Path, second: Path) -> None:
    ours, theirs = tensors(first), tensors(second)
    assert ours.keys() == theirs.keys()
    for name, value in ours.items():
        np.testing.assert_array_equal(value, theirs[name], err_msg=name)


def test_a_checkpoint_under_the_names_of_the_reference(reference: Exported) -> None:
    reader = tf.train.load_checkpoint(str(reference.output))  # by its state file
    ours = reader.get_variable_to_shape_map()
    theirs = tf.train.load_checkpoint(str(GOLDEN / "small_like" / "reference.ckpt"))
    recorded = set(theirs.get_variable_to_shape_map())
    layers = {name for name in recorded | set(ours) if "layer_" in name}
    # The same names, but for the number of layers and the projections, which follow the sizes.
    assert {n for n in ours if "/embeddings_project/" not in n} - layers - {"global_step"} == {
        n for n in recorded if "/embeddings_project/" not in n
    } - layers
    assert {n for n in recorded if "layer_0" in n} == {n for n in ours if "layer_0" in n}
    dtypes = reader.get_variable_to_dtype_map()
    assert {dtypes[name] for name in ours} == {tf.float32, tf.int64}
    assert reader.get_tensor("global_step") == 7
    assert reference.files == [
        "README.md", "checkpoint", "config.json", "model.ckpt.data-00000-of-00001",
        "model.ckpt.index", "tokenizer_config.json", "vocab.txt",
    ]  # fmt: skip
    assert reference.parity.method == "numpy"
    assert reference.parity.max_abs_difference <= reference.parity.bound


def test_ours_to_reference_to_hugging_face_and_back(
    reference: Exported, one_run: Path, tmp_path: Path
) -> None:
    direct, through, again = tmp_path / "direct", tmp_path / "through", tmp_path / "again"
    export(checkpoint=one_run, format="huggingface", output=direct)
    export(
        checkpoint=reference.output,
        format="huggingface",
        output=through,
        reference_config=reference.output / "config.json",
    )
    assert_same_tensors(direct, through)
    for network in NETWORKS:
        for name in ("config.json", "tokenizer.json", "tokenizer_config.json", "vocab.txt"):
            assert (direct / network / name).read_text() == (through / network / name).read_text()
    export(checkpoint=direct, format="reference", output=again)
    first = tf.train.load_checkpoint(str(reference.output))
    second = tf.train.load_checkpoint(str(again))
    for name in first.get_variable_to_shape_map():
        if name != "global_step":
            np.testing.assert_array_equal(first.get_tensor(name), second.get_tensor(name), name)


@pytest.mark.parametrize("format", ["huggingface", "saved-model", "onnx", "reference"])
def test_a_recorded_checkpoint_without_vocabulary(
    electra: Electra, format: str, tmp_path: Path
) -> None:
    result = electra(
        "export", GOLDEN / "small_like" / "reference.ckpt", "--format", format,
        "--output", tmp_path / "out", "--json",
    )  # fmt: skip
    assert result.code == 0, result.stderr
    assert f"sizes from {GOLDEN / 'small_like' / 'config.json'}" in result.stderr
    assert "no tokenizer is written" in result.stderr
    files = result.json["files"]
    assert not [name for name in files if "vocab" in name or "tokenizer" in name]
    assert result.json["parity"]["max_abs_difference"] <= result.json["parity"]["bound"]
    if format == "saved-model":
        signatures = tf.saved_model.load(str(tmp_path / "out")).signatures
        assert list(signatures) == ["serving_default"]


def test_sizes_from_a_reference_configuration(tmp_path: Path) -> None:
    """Five heads of eight, which nobody can infer from the weights."""
    case = GOLDEN / "large_like"
    record = json.loads((case / "config.json").read_text())
    assert record["discriminator"]["num_attention_heads"] == 5
    (alone := tmp_path / "alone").mkdir()
    for file in case.glob("reference.ckpt*"):
        shutil.copy(file, alone)
    (alone / "config.json").write_text('{"model_type": "of others"}')
    for name, folder, config in (
        ("beside", case, None),
        ("told", alone, case / "config.json"),
        ("inferred", alone, None),
    ):
        export(
            checkpoint=folder / "reference.ckpt",
            format="huggingface",
            output=tmp_path / name,
            reference_config=config,
        )
        found = json.loads((tmp_path / name / "discriminator" / "config.json").read_text())
        assert found["num_attention_heads"] == (1 if name == "inferred" else 5)
        assert_same_tensors(tmp_path / "beside", tmp_path / name)


def test_casing_of_a_foreign_vocabulary(reference: Exported, tmp_path: Path) -> None:
    export(
        checkpoint=reference.output,
        format="huggingface",
        output=tmp_path / "cased",
        reference_config=reference.output / "config.json",
        vocab=reference.output / "vocab.txt",
        lowercase=False,
    )
    record = json.loads((tmp_path / "cased/discriminator/tokenizer_config.json").read_text())
    assert (record["do_lower_case"], record["strip_accents"]) == (False, False)


def test_a_discriminator_alone(one_run: Path, tmp_path: Path) -> None:
    export(checkpoint=one_run, format="huggingface", output=tmp_path / "both")
    alone = tmp_path / "both" / "discriminator"
    for format in ("saved-model", "onnx", "reference"):
        assert export(checkpoint=alone, format=format, output=tmp_path / format).files
    reader = tf.train.load_checkpoint(str(tmp_path / "reference"))
    assert not [n for n in reader.get_variable_to_shape_map() if n.startswith("generator")]
    told = []
    export(
        checkpoint=tmp_path / "reference",
        format="huggingface",
        output=tmp_path / "again",
        reference_config=tmp_path / "reference" / "config.json",
        on_progress=told.append,
    )
    assert "there is no generator: only the discriminator is written" in told
    assert [path.name for path in (tmp_path / "again").iterdir()] == ["discriminator"]
    again = load_file(tmp_path / "again" / "discriminator" / "model.safetensors")
    for name, value in load_file(alone / "model.safetensors").items():
        np.testing.assert_array_equal(again[name], value, err_msg=name)
    card = (tmp_path / "again" / "discriminator" / "README.md").read_text()
    assert "generator/" not in card
    with pytest.raises(DataError, match="has no discriminator"):
        export(checkpoint=tmp_path / "both/generator", format="onnx", output=tmp_path / "no")
    assert not (tmp_path / "no").exists()


def test_wrong_options(reference: Exported, one_run: Path, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.json"
    wrong.write_text('{"discriminator": {}}')
    vocab = tmp_path / "vocab.txt"
    vocab.write_text((reference.output / "vocab.txt").read_text() + "more\n")
    other = tmp_path / "other.json"
    record = json.loads((reference.output / "config.json").read_text())
    record["discriminator"]["hidden_size"] = 48
    other.write_text(json.dumps(record))
    cases: list[tuple[Path, dict[str, Path], type[ElectraError], str]] = [
        (one_run, {"vocab": vocab}, ConfigError, "is a run of electra"),
        (reference.output, {"vocab": vocab}, DataError, "has 201 tokens"),
        (
            reference.output,
            {"reference_config": tmp_path / "no"},
            InputMissingError,
            "cannot be read",
        ),
        (reference.output, {"reference_config": wrong}, DataError, "is no configuration"),
        (reference.output, {"reference_config": other}, DataError, "hidden_size 32 there, 48"),
        (tmp_path, {}, DataError, "holds no weights"),
    ]
    for path, options, error, words in cases:
        with pytest.raises(error, match=words):
            export(checkpoint=path, format="onnx", output=tmp_path / "out", **options)
        assert not (tmp_path / "out").exists()


def test_a_wrong_variable_fails_the_export(
    one_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from electra_cli.export.formats import reference

    real = reference.to_reference

    def swapped(arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        found = real(arrays)
        scope = "electra/encoder/layer_1/attention/self"
        query, key = f"{scope}/query/kernel", f"{scope}/key/kernel"
        return found | {query: found[key], key: found[query]}

    monkeypatch.setattr(reference, "to_reference", swapped)
    with pytest.raises(ElectraError, match="the exported discriminator differs"):
        export(checkpoint=one_run, format="reference", output=tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


@pytest.fixture(scope="module")
def hugging_face(one_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("exports") / "huggingface"
    export(checkpoint=one_run, format="huggingface", output=output)
    return output


@pytest.mark.parametrize("change", ["more", "untied"])
def test_weights_without_a_place_fail_the_export(
    hugging_face: Path, tmp_path: Path, change: str
) -> None:
    folder = tmp_path / "changed"
    shutil.copytree(hugging_face, folder)
    file = folder / "generator" / "model.safetensors"
    values = load_file(file)
    words = values["electra.embeddings.word_embeddings.weight"]
    name = {
        "more": "electra.pooler.dense.weight",
        "untied": "generator_lm_head.weight",
    }[change]
    save_file(values | {name: words + 1}, file)
    with pytest.raises(DataError, match=f"have no place in the model: generator/{name}"):
        export(checkpoint=folder, format="reference", output=tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["changed"]


def test_buffers_and_a_tied_decoder_are_no_weights(hugging_face: Path, tmp_path: Path) -> None:
    folder = tmp_path / "more"
    shutil.copytree(hugging_face, folder)
    file = folder / "generator" / "model.safetensors"
    values = load_file(file)
    words = values["electra.embeddings.word_embeddings.weight"]
    more = {
        "generator_lm_head.weight": words.copy(),
        "electra.embeddings.position_ids": np.arange(24)[None],
        "electra.other.position_ids": np.arange(24)[None],
    }
    save_file(values | more, file)
    export(checkpoint=folder, format="huggingface", output=tmp_path / "out")
    assert_same_tensors(hugging_face, tmp_path / "out")


def fails_with_config(
    reference: Exported, tmp_path: Path, network: str | None, changes: dict[str, Any]
) -> DataError:
    file = tmp_path / "sizes.json"
    record = json.loads((reference.output / "config.json").read_text())
    (record if network is None else record[network]).update(changes)
    file.write_text(json.dumps(record))
    with pytest.raises(DataError, match=r"sizes\.json") as caught:
        export(
            checkpoint=reference.output,
            format="onnx",
            output=tmp_path / "out",
            reference_config=file,
        )
    assert "--set" not in caught.value.hint
    assert "--init" not in caught.value.hint
    return caught.value


@pytest.mark.parametrize(
    ("key", "size"),
    [("num_attention_heads", 2), ("intermediate_size", 60)],
)
def test_a_generator_that_is_not_ours(
    reference: Exported, tmp_path: Path, key: str, size: int
) -> None:
    error = fails_with_config(reference, tmp_path, "generator", {key: size})
    assert f"{size} there" in error.message
    assert "four times" in error.hint


@pytest.mark.parametrize("network", NETWORKS)
def test_another_activation(reference: Exported, tmp_path: Path, network: str) -> None:
    error = fails_with_config(reference, tmp_path, network, {"hidden_act": "relu"})
    assert f"{network}.hidden_act: expected 'gelu', got the text \"relu\"" in error.message


@pytest.mark.parametrize("value", ["32", 32.0, True, 0, -1, None])
@pytest.mark.parametrize(
    ("network", "key"),
    [("discriminator", "hidden_size"), ("discriminator", "vocab_size"), (None, "embedding_size")],
)
def test_sizes_are_integers(
    reference: Exported, tmp_path: Path, network: str | None, key: str, value: Any
) -> None:
    error = fails_with_config(reference, tmp_path, network, {key: value})
    assert key in error.message
    assert f"got {shown(value)}" in error.message


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("num_attention_heads", 5, "is not divisible by"),
        ("vocab_size", 5, "model.vocab_size"),
        ("max_position_embeddings", 7, "data.sequence_length"),
    ],
)
def test_sizes_that_no_model_has(
    reference: Exported, tmp_path: Path, key: str, value: int, words: str
) -> None:
    assert words in fails_with_config(reference, tmp_path, "discriminator", {key: value}).message


@pytest.mark.parametrize(
    ("network", "change", "words"),
    [
        (None, {"embedding_size": 48}, "embedding_size 24 there, 48 here"),
        ("generator", {"num_hidden_layers": 3}, "generator num_layers 2 there, 3 here"),
    ],
)
def test_other_sizes_than_the_weights(
    reference: Exported, tmp_path: Path, network: str | None, change: dict[str, int], words: str
) -> None:
    """Found only when the weights are read; the options that pretraining has do not help here."""
    file = tmp_path / "sizes.json"
    record = json.loads((reference.output / "config.json").read_text())
    (record[network] if network else record).update(change)
    file.write_text(json.dumps(record))
    with pytest.raises(DataError, match=words) as caught:
        export(
            checkpoint=reference.output,
            format="onnx",
            output=tmp_path / "out",
            reference_config=file,
        )
    assert "--reference-config" in caught.value.hint
    assert "--set" not in caught.value.hint


def test_heads_that_are_known_are_not_inferred(
    one_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Inside RUN/checkpoints the folder of the run is in no path."""
    monkeypatch.chdir(one_run / "checkpoints")
    for index, path in enumerate((Path("ckpt-7"), Path(), Path("../checkpoints"))):
        output = tmp_path / str(index)
        export(checkpoint=path, format="huggingface", output=output)
        record = json.loads((output / "discriminator" / "config.json").read_text())
        assert record["num_attention_heads"] == 4


def test_a_card_of_converted_weights(hugging_face: Path, tmp_path: Path) -> None:
    export(checkpoint=hugging_face, format="reference", output=tmp_path / "out")
    card = (tmp_path / "out" / "README.md").read_text(encoding="utf-8")
    assert "Not known: these weights were converted." in card
    assert "evaluated" not in card
