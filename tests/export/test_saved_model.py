"""The SavedModel: both signatures, any shape, and a folder that needs nothing else."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from electra_cli.corpus.line_encoder import LineEncoder
from electra_cli.corpus.tokenizer import build_tokenizer
from electra_cli.export.batch import make_batch
from electra_cli.export.run import Exported, export
from electra_cli.export.source import Source
from electra_cli.modeling.electra import ElectraModel
from tests.export.runs import SEQUENCE_LENGTH
from tests.ids import ids_in


@pytest.fixture(scope="module")
def exported(run_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Exported:
    output = tmp_path_factory.mktemp("exports") / "saved"
    return export(checkpoint=run_folder, format="saved-model", output=output)


@pytest.fixture(scope="module")
def signatures(exported: Exported) -> Any:
    return tf.saved_model.load(str(exported.output)).signatures


def test_ids_give_the_models_outputs(signatures: Any, model: ElectraModel, source: Source) -> None:
    batch = make_batch(source)
    features = batch.features()
    logits, sequence = model.discriminate(features["masked_input_ids"], features)
    found = signatures["serving_default"](
        input_ids=features["masked_input_ids"],
        input_mask=features["input_mask"],
        segment_ids=features["segment_ids"],
    )
    assert set(found) == {"logits", "sequence_output"}
    np.testing.assert_allclose(found["logits"], logits, rtol=0, atol=1e-5)
    np.testing.assert_allclose(found["sequence_output"], sequence, rtol=0, atol=1e-5)


@pytest.mark.parametrize("shape", [(1, 3), (5, 24)])
def test_batch_and_length_are_free(signatures: Any, shape: tuple[int, int]) -> None:
    ones = tf.ones(shape, tf.int32)
    found = signatures["serving_default"](input_ids=ones * 9, input_mask=ones, segment_ids=ones * 0)
    assert found["logits"].shape == shape
    assert found["sequence_output"].shape == (*shape, 32)


def test_text_is_tokenized_as_the_data_was(signatures: Any, run_folder: Path) -> None:
    texts = ["The naïve cat's sitting", "", "[MASK] cat", "the " * 40]
    found = signatures["text"](text=tf.constant(texts))
    assert set(found) == {"logits", "sequence_output", "input_ids"}
    ours = LineEncoder(
        build_tokenizer(run_folder / "data" / "vocab.txt", lowercase=True, strip_accents=True),
        "uint16",
    )
    ids = found["input_ids"].numpy()
    assert ids.shape == (4, SEQUENCE_LENGTH)
    for text, row in zip(texts, ids.tolist(), strict=True):
        expected = [2, *ids_in(ours.encode([text]).lines[0])[: SEQUENCE_LENGTH - 2], 3]
        assert row == expected + [0] * (SEQUENCE_LENGTH - len(expected))


def test_text_gives_the_logits_of_its_ids(signatures: Any) -> None:
    found = signatures["text"](text=tf.constant(["the cat sat on the mat", "the"]))
    ids = found["input_ids"]
    again = signatures["serving_default"](
        input_ids=ids,
        input_mask=tf.cast(ids != 0, tf.int32),
        segment_ids=tf.zeros_like(ids),
    )
    np.testing.assert_allclose(found["logits"], again["logits"], rtol=0, atol=1e-6)


def test_parity_and_card(exported: Exported) -> None:
    assert exported.parity.method == "numpy"
    assert 0 < exported.parity.max_abs_difference <= exported.parity.bound
    card = (exported.output / "README.md").read_text(encoding="utf-8")
    assert "import tensorflow_text" in card
    assert "assets/vocab.txt" in exported.files


def test_the_generator_is_left_out(exported: Exported) -> None:
    names = [
        name
        for name, _ in tf.train.list_variables(str(exported.output / "variables" / "variables"))
    ]
    assert any("_encoder" in name for name in names)
    assert not [name for name in names if "generator" in name or "masked_lm" in name]


@pytest.mark.slow
def test_it_loads_elsewhere_without_this_package(one_run: Path, tmp_path: Path) -> None:
    first = tmp_path / "first"
    export(checkpoint=one_run, format="saved-model", output=first)
    moved = tmp_path / "moved"
    shutil.move(first, moved)
    code = (
        "import sys, tensorflow as tf, tensorflow_text\n"
        f"model = tf.saved_model.load({str(moved)!r})\n"
        "found = model.signatures['text'](text=tf.constant(['the cat']))\n"
        "print(found['input_ids'].numpy().tolist())\n"
        "assert 'electra_cli' not in sys.modules\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "[[2, 125, 126, 3]]\n"
