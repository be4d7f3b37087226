"""The SavedModel: both signatures, any shape, and a folder that needs nothing else."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from electra_cli.corpus.wordpiece.vocabulary import SPECIAL_TOKENS
from electra_cli.export.checks.probe import make_probe
from electra_cli.export.run import Exported, export
from electra_cli.modeling.electra import ElectraModel
from electra_cli.sources.exportable import Exportable
from tests.export.runs import SEQUENCE_LENGTH, write_run
from tests.ids import line_ids


@pytest.fixture(scope="module")
def exported(run_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Exported:
    output = tmp_path_factory.mktemp("exports") / "saved"
    return export(checkpoint=run_folder, format="saved-model", output=output)


@pytest.fixture(scope="module")
def signatures(exported: Exported) -> Any:
    return tf.saved_model.load(str(exported.output)).signatures


def test_ids_give_the_models_outputs(
    signatures: Any, model: ElectraModel, source: Exportable
) -> None:
    batch = make_probe(source)
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
    vocab = run_folder / "data" / "vocab.txt"
    ids = found["input_ids"].numpy()
    assert ids.shape == (4, SEQUENCE_LENGTH)
    for text, row in zip(texts, ids.tolist(), strict=True):
        ours = line_ids(text, vocab, lowercase=True, strip_accents=True)
        expected = [2, *ours[: SEQUENCE_LENGTH - 2], 3]
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


@pytest.mark.parametrize("count", [0, 1])
def test_no_texts_and_empty_ones_keep_their_shape(signatures: Any, count: int) -> None:
    found = signatures["text"](text=tf.constant([""] * count, tf.string))
    assert found["input_ids"].shape == found["logits"].shape == (count, 2)
    assert found["sequence_output"].shape == (count, 2, 32)


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


# The process is divided before anything asks for the locale, so that TensorFlow is imported once.
IN_LOCALES = """
import os, sys
import tensorflow as tf, tensorflow_text
folder, *texts = sys.argv[1:]
for name, locale in (
    ("LC_ALL", "tr_TR.UTF-8"), ("LC_ALL", "az_AZ"), ("LC_ALL", "lt_LT.UTF-8"), ("LANG", "tr_TR"),
):
    if not (child := os.fork()):
        os.environ[name] = locale
        serve = tf.saved_model.load(folder).signatures["text"]
        print(locale, serve(text=tf.constant(texts))["input_ids"].numpy().tolist(), flush=True)
        os._exit("electra_cli" in sys.modules)
    assert os.waitpid(child, 0)[1] == 0
"""


@pytest.mark.slow
def test_ids_are_the_same_in_every_locale_and_without_this_package(tmp_path: Path) -> None:
    """A Turkish one has two letters I, a Lithuanian one a dot under the accents of i and j."""
    texts = ["TITLE IN ISTANBUL", "İstanbul ısı", "Jį ĮJÌÍĨ J\u0303", "ΟΔΟΣ ΣΑΣ", "ÀÉÎ"]
    letters = sorted({c for text in texts for c in (text + text.lower()) if c != " "} | {"ς"})
    run = write_run(
        tmp_path / "run",
        strip_accents=False,
        tokens=[*SPECIAL_TOKENS, *letters, *("##" + letter for letter in letters)],
        length=32,
    )
    moved = tmp_path / "moved"
    export(checkpoint=run, format="saved-model", output=tmp_path / "out")
    shutil.move(tmp_path / "out", moved)
    plain = {k: v for k, v in os.environ.items() if not k.startswith(("LC_", "LANG"))}
    done = subprocess.run(
        [sys.executable, "-c", IN_LOCALES, moved, *texts],
        capture_output=True, text=True, cwd=tmp_path, check=False, env=plain,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert len(lines) == 4
    for line in lines:
        locale, rows = line.split(" ", 1)
        for text, row in zip(texts, json.loads(rows), strict=True):
            vocab = run / "data" / "vocab.txt"
            expected = [2, *line_ids(text, vocab, lowercase=True, strip_accents=False), 3]
            assert 1 not in expected
            assert row == expected + [0] * (len(row) - len(expected)), (locale, text)
