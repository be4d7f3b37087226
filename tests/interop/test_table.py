"""Names and shapes of a checkpoint as TensorFlow tells them, without TensorFlow."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
import tensorflow as tf

from electra_cli.interop.table import read_shapes
from electra_cli.runs.named import find_checkpoints
from tests.interop.conftest import write_tf1


def told(prefix: Path) -> dict[str, tuple[int, ...]]:
    found = tf.train.load_checkpoint(str(prefix)).get_variable_to_shape_map()
    return {name: tuple(shape) for name, shape in found.items()}


def test_of_a_run(run_folder: Path) -> None:
    (checkpoint,) = find_checkpoints(run_folder)
    assert read_shapes(checkpoint.prefix) == told(checkpoint.prefix) != {}


def test_of_many_blocks(tmp_path: Path) -> None:
    """Long names, of which only the ends differ, sizes of several bytes, and a scalar."""
    names = [f"{'electra/' * 20}layer_{n}" for n in range(3000)]
    tensors = {name: tf.zeros([n % 3, 300]).numpy() for n, name in enumerate(names)}
    prefix = write_tf1(tmp_path / "many", {**tensors, "global_step": tf.constant(7).numpy()})
    assert read_shapes(prefix) == told(prefix)
    assert len(read_shapes(prefix)) == 3001


@pytest.mark.parametrize("kind", ["gone", "empty", "cut", "text", "bytes changed"])
def test_what_cannot_be_read_has_no_names(tmp_path: Path, kind: str) -> None:
    index = Path(f"{write_tf1(tmp_path / 'one', {'words': tf.zeros([5, 2]).numpy()})}.index")
    content = index.read_bytes()
    if kind == "gone":
        index.unlink()
    elif kind == "bytes changed":
        rng = random.Random(0)
        for _ in range(300):
            changed = bytearray(content)
            changed[rng.randrange(len(content))] = rng.randrange(256)
            index.write_bytes(changed)
            assert isinstance(read_shapes(tmp_path / "one"), dict)
        return
    else:
        index.write_bytes({"empty": b"", "cut": content[:-9], "text": b"none" * 99}[kind])
    assert read_shapes(tmp_path / "one") == {}
