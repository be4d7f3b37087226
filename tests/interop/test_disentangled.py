"""Weights of networks whose embeddings are kept apart, into plain ones and back."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from electra_cli.errors import DataError
from electra_cli.export.checks.probe import make_probe
from electra_cli.interop.reference import Arrays
from electra_cli.interop.restore import restore
from electra_cli.interop.source import find_source
from electra_cli.interop.weights import load_checkpoint, load_weights, values_of
from electra_cli.modeling.architecture import RESIDUAL, Architecture
from electra_cli.modeling.electra import ElectraModel
from electra_cli.modeling.fused import plain_operations
from electra_cli.runs.named import find_checkpoints
from electra_cli.sources.exportable import open_own
from tests.export.runs import small_config, write_run
from tests.interop.conftest import assert_same

APART = {"generator.sharing": "disentangled"}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_run(tmp_path_factory.mktemp("apart") / "run", values=APART)


@pytest.fixture(scope="module")
def model(run: Path) -> ElectraModel:
    """What was trained, as TensorFlow restores it."""
    (checkpoint,) = find_checkpoints(run)
    model = ElectraModel(Architecture.of(checkpoint.config()))
    restore(tf.train.Checkpoint(model=model), checkpoint.prefix, hint="")
    return model


@pytest.fixture
def said(run: Path) -> Callable[[ElectraModel], tuple[np.ndarray, np.ndarray]]:
    """What both networks say of the same rows."""
    features = make_probe(open_own(find_checkpoints(run)[-1])).features()

    def call(model: ElectraModel) -> tuple[np.ndarray, np.ndarray]:
        with plain_operations():
            logits, _ = model.discriminate(features["input_ids"], features)
            return logits.numpy(), model.generate(features).numpy()

    return call


def fresh(**values: object) -> ElectraModel:
    keys = {key.replace("__", "."): value for key, value in values.items()}
    return ElectraModel(Architecture.of(small_config(24).replaced({"train.seed": 1} | keys)))


def test_a_run_goes_out_as_a_plain_electra(run: Path, model: ElectraModel, said) -> None:
    plain = load_checkpoint(find_checkpoints(run)[-1])
    assert not any(RESIDUAL in name for name in values_of(plain))
    for ours, theirs in zip(said(model), said(plain), strict=True):
        assert np.abs(ours).max() > 1e-2
        np.testing.assert_allclose(theirs, ours, rtol=0, atol=1e-5)


def test_it_comes_back_bit_by_bit(run: Path, model: ElectraModel) -> None:
    again = fresh(**{"generator__sharing": "disentangled"})
    report = load_weights(again, find_source(run))
    assert_same(values_of(again), values_of(model))
    assert (report.missing, report.unused) == ([], [])
    assert report.parts()["discriminator embeddings"] == (5, 0, 0)


@pytest.mark.parametrize("source", ["run_folder", "exported"])
def test_a_tied_one_begins_with_residuals_of_zero(
    request: pytest.FixtureRequest, run_folder: Path, run_values: Arrays, said, source: str
) -> None:
    apart = fresh(**{"generator__sharing": "disentangled"})
    report = load_weights(apart, find_source(request.getfixturevalue(source)))
    # A model that is made within a graph makes its class one of graphs, and no other can be called.
    with pytest.raises(AssertionError, match="without an objective"):
        apart({})
    assert (report.missing, report.unused) == ([], [])
    values = values_of(apart)
    for name, array in values.items():
        if RESIDUAL in name:
            assert not array.any()
        else:
            shared = name.replace("discriminator/embeddings/", "electra/embeddings/")
            np.testing.assert_array_equal(array, run_values[shared])
    tied = load_checkpoint(find_checkpoints(run_folder)[-1])
    for ours, theirs in zip(said(tied), said(apart), strict=True):
        np.testing.assert_array_equal(theirs, ours)


def test_two_tables_become_a_table_and_what_they_differ_by(
    run: Path, model: ElectraModel, said
) -> None:
    """An untied network with embeddings of the same width, which has nowhere else to go."""
    width = {"generator__embedding_size": 24, "generator__sharing": "none"}
    untied = fresh(**width)
    report = load_weights(untied, find_source(run))
    assert (report.missing, report.unused) == ([], [])
    assert values_of(untied).keys() == {v.name.split(":")[0] for v in untied.weights}
    for ours, theirs in zip(said(model), said(untied), strict=True):
        np.testing.assert_allclose(theirs, ours, rtol=0, atol=1e-5)


def test_one_table_is_the_discriminators(run: Path, model: ElectraModel, said) -> None:
    tied = fresh()
    with pytest.raises(DataError, match="reads embeddings of its own") as caught:
        load_weights(tied, find_source(run))
    assert "--set generator.sharing=disentangled" in caught.value.hint
    report = load_weights(tied, find_source(run), allow_missing=["generator"])
    assert report.missing_parts() == ["generator", "generator head"]
    assert all(name.startswith("generator") for name in report.unused)
    np.testing.assert_allclose(said(tied)[0], said(model)[0], rtol=0, atol=1e-5)


def test_an_encoder_alone_reads_the_sum(run: Path, model: ElectraModel) -> None:
    alone = fresh(objective__name="mlm")
    missing = ["generator", "discriminator"]
    report = load_weights(alone, find_source(run), allow_missing=missing)
    assert report.missing_parts() == ["generator head"]
    values, found = values_of(model), values_of(alone)
    words = "embeddings/word_embeddings"
    summed = values[f"electra/{words}"] + values[f"discriminator/{words}{RESIDUAL}"]
    np.testing.assert_array_equal(found[f"electra/{words}"], summed)
