"""Checkpoints of google-research/electra, against one that the original code wrote."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from electra_cli.errors import DataError
from electra_cli.interop.reference import Arrays, from_reference, to_reference
from electra_cli.interop.source import find_source
from electra_cli.interop.weights import load_weights, values_of
from electra_cli.modeling.electra import ElectraModel
from tests import places
from tests.golden.reference_case import ReferenceCase
from tests.interop.conftest import assert_same, write_tf1

GOLDEN = places.GOLDEN / "small_like"


@pytest.fixture(scope="module")
def case() -> ReferenceCase:
    return ReferenceCase(GOLDEN)


@pytest.fixture(scope="module")
def recorded(case: ReferenceCase) -> dict[str, np.ndarray]:
    return {name: case.reader.get_tensor(name) for name in case.recorded["variables"]}


def test_a_recorded_checkpoint_both_ways(case: ReferenceCase, recorded: Arrays) -> None:
    model = case.task().build_model()
    report = load_weights(model, find_source(GOLDEN / "reference.ckpt"))
    assert (report.missing, report.unused) == ([], [])
    assert len(report.loaded) == len(model.trainable_variables)
    fused = model.generator.blocks[1].query_key_value.kernel.numpy()
    scope = "generator/encoder/layer_1/attention/self"
    for third, part in zip(np.split(fused, 3, axis=-1), ("query", "key", "value"), strict=True):
        np.testing.assert_array_equal(third, recorded[f"{scope}/{part}/kernel"])
    np.testing.assert_array_equal(
        model.embeddings.words.numpy(), recorded["electra/embeddings/word_embeddings"]
    )
    assert_same(to_reference(values_of(model)), recorded)


def test_ours_both_ways(
    run_values: Arrays, fresh: Callable[..., ElectraModel], tmp_path: Path
) -> None:
    written = write_tf1(tmp_path / "model.ckpt-7", to_reference(run_values))
    model = fresh()
    load_weights(model, find_source(written))
    assert_same(values_of(model), run_values)
    assert_same(from_reference(to_reference(run_values)), run_values)


@pytest.mark.parametrize("slots", [("adam_m", "adam_v"), ("Adam", "Adam_1"), ("lamb/m", "EMA")])
def test_slots_and_step_are_known_and_anything_else_is_named(
    run_values: Arrays, fresh: Callable[..., ElectraModel], tmp_path: Path, slots: tuple[str, str]
) -> None:
    arrays = to_reference(run_values)
    of_optimizer = {f"{name}/{slot}": array for name, array in arrays.items() for slot in slots}
    step = {"global_step": np.array(7, np.int64)}
    extra = {
        "electra/pooler/bias": np.zeros(3, np.float32),
        "current_loss_scale": np.array(2.0, np.float32),
    }
    prefix = write_tf1(tmp_path / "model.ckpt", arrays | of_optimizer | step | extra)
    report = load_weights(fresh(), find_source(prefix))
    assert sorted(report.unused) == ["current_loss_scale", "electra/pooler/bias"]
    assert report.layout == "checkpoint of the reference"
    assert report.parts()["discriminator"][2] == 1


@pytest.mark.parametrize("given", ["model.ckpt", "model.ckpt.index", ""])
def test_prefix_index_file_or_folder(
    run_values: Arrays, tmp_path: Path, given: str, fresh: Callable[..., ElectraModel]
) -> None:
    write_tf1(tmp_path / "model.ckpt", to_reference(run_values))
    source = find_source(tmp_path / given)
    assert source.files == {"checkpoint": tmp_path / "model.ckpt"}
    load_weights(fresh(), source)


def test_the_state_file_chooses_among_several(run_values: Arrays, tmp_path: Path) -> None:
    for step in (1, 2, 3):
        write_tf1(tmp_path / f"model.ckpt-{step}", to_reference(run_values))
    with pytest.raises(DataError, match=r"3 checkpoints, model.ckpt-1, model.ckpt-2, ") as error:
        find_source(tmp_path)
    assert error.value.hint == f"name one: {tmp_path / 'model.ckpt-3'}"
    (tmp_path / "checkpoint").write_bytes(b'model_checkpoint_path: "gone"\n\xff')
    with pytest.raises(DataError, match="no file `checkpoint` that names one"):
        find_source(tmp_path)
    state = 'model_checkpoint_path: "/elsewhere/model.ckpt-2"\nall_model_checkpoint_paths: "x"\n'
    (tmp_path / "checkpoint").write_text(state)
    assert find_source(tmp_path).files == {"checkpoint": tmp_path / "model.ckpt-2"}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda a: a.pop("electra/encoder/layer_1/attention/self/key/kernel"), "qkv/kernel"),
        (lambda a: a.pop("electra/embeddings/LayerNorm/beta"), "LayerNorm/beta"),
        (lambda a: a.pop("generator_predictions/output_bias"), "output_bias"),
        (
            lambda a: a.update({"generator_predictions/output_bias": np.zeros(9, np.float32)}),
            r"output_bias is \[9\], the model needs \[200\]",
        ),
        (
            lambda a: a.update(
                {"electra/encoder/layer_0/attention/self/key/bias": np.zeros(9, np.float32)}
            ),
            r"layer_0/attention/self/qkv/bias is \[\d+\], the model needs \[\d+\]",
        ),
    ],
)
def test_a_part_with_holes_changes_nothing(
    run_values: Arrays,
    tmp_path: Path,
    fresh: Callable[..., ElectraModel],
    change: Callable[[Arrays], None],
    words: str,
) -> None:
    arrays = to_reference(run_values)
    change(arrays)
    model = fresh()
    before = values_of(model)
    source = find_source(write_tf1(tmp_path / "model.ckpt", arrays))
    with pytest.raises(DataError, match=words):
        load_weights(model, source, allow_missing=("generator", "discriminator"))
    assert_same(values_of(model), before)


def test_an_absent_generator(
    run_values: Arrays, tmp_path: Path, fresh: Callable[..., ElectraModel]
) -> None:
    arrays = {n: a for n, a in to_reference(run_values).items() if not n.startswith("generator")}
    source = find_source(write_tf1(tmp_path / "model.ckpt", arrays))
    with pytest.raises(DataError, match="has no generator") as error:
        load_weights(fresh(), source)
    assert "--init-allow-missing generator" in error.value.hint
    model = fresh()
    before = values_of(model)
    report = load_weights(model, source, allow_missing=["generator"])
    assert report.missing_parts() == ["generator", "generator head"]
    for name, array in values_of(model).items():
        source_of = before if name.startswith("generator") else run_values
        np.testing.assert_array_equal(array, source_of[name], err_msg=name)


@pytest.mark.parametrize("size", [0, 100])
@pytest.mark.parametrize("file", [".index", ".data-00000-of-00001"])
def test_a_truncated_checkpoint(tmp_path: Path, case: ReferenceCase, file: str, size: int) -> None:
    for path in GOLDEN.glob("reference.ckpt.*"):
        shutil.copy(path, tmp_path)
    damaged = tmp_path / f"reference.ckpt{file}"
    damaged.write_bytes(damaged.read_bytes()[:size])
    with pytest.raises(DataError, match=r"reference\.ckpt cannot be read"):
        load_weights(case.task().build_model(), find_source(tmp_path))


def test_a_foreign_checkpoint(tmp_path: Path, fresh: Callable[..., ElectraModel]) -> None:
    prefix = write_tf1(tmp_path / "bert.ckpt", {"bert/embeddings/word": np.zeros(2, np.float32)})
    with pytest.raises(DataError, match=r"no ELECTRA model .* bert/embeddings/word"):
        load_weights(fresh(), find_source(prefix))
