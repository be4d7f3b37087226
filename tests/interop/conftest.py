"""Weights to load: a run of ours, its Hugging Face export, and models to fill."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from electra_cli.export.run import export
from electra_cli.interop.reference import Arrays
from electra_cli.interop.restore import restore
from electra_cli.interop.weights import values_of
from electra_cli.modeling.architecture import Architecture
from electra_cli.modeling.electra import ElectraModel
from electra_cli.runs.named import find_checkpoints
from tests.export.runs import small_config, write_run


@pytest.fixture(scope="session")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with one checkpoint whose weights are all random, biases too."""
    return write_run(tmp_path_factory.mktemp("run") / "run")


@pytest.fixture(scope="session")
def run_values(run_folder: Path) -> Arrays:
    """The weights of that run, as TensorFlow reads them into a model."""
    (checkpoint,) = find_checkpoints(run_folder)
    model = ElectraModel(Architecture.of(checkpoint.config()))
    restore(tf.train.Checkpoint(model=model), checkpoint.prefix, hint="")
    return values_of(model)


@pytest.fixture(scope="session")
def exported(run_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run in Hugging Face's layout."""
    folder = tmp_path_factory.mktemp("exports") / "huggingface"
    export(checkpoint=run_folder, format="huggingface", output=folder)
    return folder


@pytest.fixture
def fresh() -> Callable[..., ElectraModel]:
    """Builds a model of the run's sizes, or others, from another seed."""

    def build(**values: Any) -> ElectraModel:
        keys = {key.replace("__", "."): value for key, value in values.items()}
        config = small_config(embedding=24).replaced({"train.seed": 1} | keys)
        return ElectraModel(Architecture.of(config))

    return build


def write_tf1(prefix: Path, arrays: Mapping[str, np.ndarray]) -> Path:
    """Writes a checkpoint of plain names, as TF1's Saver does."""
    names = list(arrays)
    tf.raw_ops.SaveV2(
        prefix=str(prefix),
        tensor_names=names,
        shape_and_slices=[""] * len(names),
        tensors=[tf.constant(arrays[name]) for name in names],
    )
    return prefix


def assert_same(found: Mapping[str, np.ndarray], expected: Mapping[str, np.ndarray]) -> None:
    """All names, and every bit."""
    assert set(found) == set(expected)
    for name, array in expected.items():
        assert found[name].dtype == array.dtype, name
        np.testing.assert_array_equal(found[name], array, err_msg=name)
