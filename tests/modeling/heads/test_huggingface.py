"""The heads against Hugging Face's, over the same hidden states."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tensorflow as tf
import torch
import transformers
from transformers.modeling_outputs import BaseModelOutput

from electra_cli.config.finetune import Kind
from electra_cli.modeling.dropout import Dropout
from electra_cli.modeling.task_model import TaskModel
from tests.modeling.heads.inputs import CLASSES, KINDS, LENGTH, ROWS, architecture, batch, head

THEIRS = {
    "classification": "ElectraForSequenceClassification",
    "regression": "ElectraForSequenceClassification",
    "tagging": "ElectraForTokenClassification",
    "qa": "ElectraForQuestionAnswering",
}
HIDDEN = np.random.default_rng(1).normal(size=(ROWS, LENGTH, 16)).astype(np.float32)


class Encoder(torch.nn.Module):
    """In the place of theirs: gives the hidden states."""

    def forward(self, *_: Any, **__: Any) -> BaseModelOutput:
        return BaseModelOutput(last_hidden_state=torch.tensor(HIDDEN))


def theirs(kind: Kind, model: TaskModel) -> Any:
    """Their model with the weights of our head; each of our names is one of theirs."""
    labels = {"regression": 1, "qa": 2}.get(kind, CLASSES)
    config = transformers.ElectraConfig(hidden_size=16, num_labels=labels, vocab_size=40)
    found = getattr(transformers, THEIRS[kind])(config).eval()
    scope = "classifier." if kind in ("classification", "regression") else ""
    weights = {}
    for variable in model.task_head.trainable_variables:
        name = variable.name.removeprefix("task_head/").removesuffix(":0").replace("/", ".")
        value = torch.tensor(variable.numpy())
        if name.endswith("kernel"):
            name, value = name.replace("kernel", "weight"), value.T
        weights[scope + name] = value
    missing, unexpected = found.load_state_dict(weights, strict=False)
    assert not unexpected
    assert all(name.startswith("electra.") for name in missing)
    found.electra = Encoder()
    return found


@pytest.mark.parametrize("kind", KINDS)
def test_outputs_and_loss(kind: Kind) -> None:
    model = TaskModel(architecture(initializer_range=0.5), head(kind, "huggingface"), seed=3)
    every = np.tile(np.arange(LENGTH, dtype=np.int32), [ROWS, 1])  # theirs tags every token
    features = batch() | {
        "labeled_positions": tf.constant(every),
        "labels": tf.constant(every % CLASSES),
        "labels_mask": tf.cast(batch()["input_mask"], tf.float32),
    }
    hidden = tf.constant(HIDDEN.reshape(ROWS * LENGTH, 16))
    ours = model.task_head(hidden, features, Dropout(), training=False)
    rows = model.task_head.row_losses(features, ours).numpy()
    labels = {
        "classification": {"labels": features["label_ids"]},
        "regression": {"labels": features["targets"]},
        "tagging": {"labels": np.where(features["input_mask"], features["labels"], -100)},
        "qa": {name: features[name] for name in ("start_positions", "end_positions")},
    }[kind]
    dtype = torch.float32 if kind == "regression" else torch.int64
    numbers = {name: torch.tensor(np.array(value)).to(dtype) for name, value in labels.items()}
    with torch.no_grad():
        expected = theirs(kind, model)(torch.tensor(features["input_ids"].numpy()), **numbers)
    if kind == "regression":
        ours = {"logits": ours["predictions"][:, None]}
    for name, value in ours.items():
        np.testing.assert_allclose(value, expected[name], rtol=1e-5, atol=1e-5, err_msg=name)
    # Theirs is a mean over rows, or over the tokens of all rows.
    count = np.sum(features["labels_mask"]) if kind == "tagging" else ROWS
    np.testing.assert_allclose(rows.sum() / count, expected.loss, rtol=1e-5)
