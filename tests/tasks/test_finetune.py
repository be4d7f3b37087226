"""What the task makes of the outputs of batches: rows in order, losses, and only what is kept."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from electra_cli.config.finetune import FinetuneConfig, Kind
from electra_cli.inputs.labelled_rows import LabelledRows
from electra_cli.modeling.architecture import Architecture
from electra_cli.modeling.heads.sizes import HeadSizes
from electra_cli.tasks.finetune import FinetuneTask, FinetuneTaskConfig, LabelledDataConfig
from tests.export.runs import small_config

LENGTH, WORDS, ROWS = 12, 4, 5
LABELS = ("a", "b", "c")


def columns(kind: Kind, *, labelled: bool) -> dict[str, np.ndarray]:
    chosen = np.random.default_rng(0)
    found: dict[str, Any] = {
        "input_ids": chosen.integers(5, 100, [ROWS, LENGTH]).astype(np.int32),
        "input_mask": np.ones([ROWS, LENGTH], np.int32),
        "segment_ids": np.zeros([ROWS, LENGTH], np.int32),
    }
    if kind == "tagging":
        found["labeled_positions"] = np.tile(np.arange(1, WORDS + 1, dtype=np.int32), [ROWS, 1])
        found["labels_mask"] = np.ones([ROWS, WORDS], np.float32)
    if labelled and kind == "tagging":
        found["labels"] = chosen.integers(0, 3, [ROWS, WORDS]).astype(np.int32)
    elif labelled:
        found["label_ids"] = chosen.integers(0, 3, [ROWS]).astype(np.int32)
    return found


def make_task(kind: Kind = "classification", *, labelled: bool = True, lanes: int = 1):
    config = FinetuneConfig().replaced({"task.kind": kind})
    return FinetuneTask(
        FinetuneTaskConfig(),
        config=config,
        architecture=Architecture.of(small_config(24)),
        head=HeadSizes.of(config.task, LABELS),
        rows={"dev": LabelledRows(columns(kind, labelled=labelled))},
        score=lambda outputs: {"sum": float(sum(v.sum() for v in outputs.values()))},
        lanes=lanes,
    )


def evaluate(task: FinetuneTask, model: Any, batch: int) -> dict[str, float]:
    params = LabelledDataConfig(split="dev", global_batch_size=batch, is_training=False)
    state = None
    for inputs in task.build_inputs(params):
        logs = task.validation_step(inputs, model)
        del logs[task.loss]
        state = task.aggregate_logs(state, logs)
    assert state is not None
    return task.reduce_aggregated_logs(state)


@pytest.mark.parametrize("kind", ["classification", "tagging"])
def test_batches_and_lanes_change_no_output(kind: Kind) -> None:
    """A last batch that is filled up, rows in lanes; also of rows without labels."""
    task = make_task(kind)
    model = task.build_model()
    whole = evaluate(task, model, ROWS)
    outputs = task.outputs
    names = {"classification": {"logits"}, "tagging": {"tags", "shares"}}
    assert set(outputs) == names[kind]
    assert all(len(values) == ROWS for values in outputs.values())
    others = [(task, 2), (make_task(kind, lanes=2), 4), (make_task(kind, labelled=False), 3)]
    for other, batch in others:
        found = evaluate(other, model, batch)
        assert ("loss" in found) == (other is not others[2][0])
        assert found.items() <= {k: pytest.approx(v, rel=1e-5) for k, v in whole.items()}.items()
        for name, values in outputs.items():
            np.testing.assert_allclose(other.outputs[name], values, rtol=1e-5, atol=1e-6)


def test_rows_are_put_in_order() -> None:
    """Those of two replicas, and of steps; what only fills a batch is left out."""
    task = make_task()
    index = [tf.constant([3, 0]), tf.constant([4, -1]), tf.constant([1, 2])]
    state = None
    for parts in ((index[0], index[1]), (index[2],)):
        logs = {
            "example_index": parts,
            "logits": tuple(tf.cast(part, tf.float32)[:, None] for part in parts),
            "row_loss": tuple(tf.cast(part, tf.float32) * 2 for part in parts),
        }
        state = task.aggregate_logs(state, logs)
    assert state is not None
    assert task.reduce_aggregated_logs(state) == {"loss": 4.0, "sum": 10.0}
    np.testing.assert_array_equal(task.outputs["logits"], np.arange(5.0)[:, None])
    with task.unscored():
        assert task.reduce_aggregated_logs(state) == {}
    assert task.reduce_aggregated_logs(state)["sum"] == 10.0


def test_the_best_tag_and_its_share() -> None:
    task = make_task("tagging")
    evaluate(task, model := task.build_model(), ROWS)
    batch = next(iter(task.build_inputs(LabelledDataConfig(split="dev", global_batch_size=ROWS))))
    logits = model(batch, training=False)["logits"].numpy()  # [N, W, C]
    np.testing.assert_array_equal(task.outputs["tags"], logits.argmax(-1))
    exponents = np.exp(logits - logits.max(-1, keepdims=True))
    shares = (exponents / exponents.sum(-1, keepdims=True)).max(-1)
    np.testing.assert_allclose(task.outputs["shares"], shares, rtol=1e-5)
