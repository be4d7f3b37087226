"""Networks as they are written: what config.json says, tensors, and what the model itself computes.

Shapes: B batch, S sequence.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

import numpy as np
import tensorflow as tf

from electra_cli.export.checks.parity import Floats, numpy_outputs
from electra_cli.export.checks.probe import Probe
from electra_cli.finetuning.features.sequences import TargetRange
from electra_cli.interop.huggingface import (
    Tensors,
    network_configs,
    network_tensors,
    task_config,
    task_tensors,
)
from electra_cli.modeling.electra import ElectraModel
from electra_cli.modeling.task_model import TaskModel
from electra_cli.sources.exportable import Exportable
from electra_cli.sources.finetuned import Finetuned

Model = ElectraModel | TaskModel


@dataclass(frozen=True)
class ExportedNetwork:
    """One network with its head, in Hugging Face's layout.

    Attributes:
      name: discriminator, generator, or the kind of the task it was fine-tuned for.
      config: The content of config.json.
      read: Copies the weights into the tensors of model.safetensors, once.
      own_outputs: What the model computes, named as by `NumpyElectra.outputs`.
    """

    name: str
    config: Mapping[str, Any]
    read: Callable[[], Tensors]
    own_outputs: Callable[[Probe], dict[str, Floats]]

    @property
    def tensors(self) -> Tensors:
        """The content of model.safetensors.

        Raises:
          TrainingError: A variable has no place in Hugging Face's layout.
        """
        return self.read()

    def numpy_outputs(self, probe: Probe) -> dict[str, Floats]:
        """What NumPy computes from the tensors."""
        return numpy_outputs(self.name, self.config, self.tensors, probe)


def networks_of(model: Model, item: Exportable) -> list[ExportedNetwork]:
    """The networks of a model that are written, the one to fine-tune first.

    Two towers are none: nothing beside this package computes them.
    """
    if isinstance(model, TaskModel):
        return [_of_task(model, finetuned_of(item))]
    configs = network_configs(item.config, pad_id=item.special_ids.pad)
    tensors = cache(partial(network_tensors, model))

    def read(name: str) -> Tensors:
        return tensors()[name]

    own = {
        "discriminator": lambda probe: _discriminated(model, probe),
        "generator": lambda probe: {"logits": model.generate(probe.features()).numpy()},
    }
    return [
        ExportedNetwork(name, configs[name], partial(read, name), own[name])
        for name in item.networks
        if not (name == "generator" and item.has_towers)
    ]


def finetuned_of(item: Exportable) -> Finetuned:
    """The run of a fine-tuning that is exported."""
    assert item.finetuned is not None, "only a fine-tuned model has a task"
    return item.finetuned


def takes_text(item: Exportable) -> bool:
    """Whether a graph can make rows of whole texts, by word pieces.

    Other tokenizers are outside of graphs; other rows are of words, or of windows over a context.
    """
    if item.vocab is None or item.tokenizer is None:
        return False
    return item.finetuned is None or item.finetuned.config.task.kind in (
        "classification",
        "regression",
    )


def task_outputs(outputs: Mapping[str, tf.Tensor], model: Finetuned) -> dict[str, tf.Tensor]:
    """What the head of a task says, as it is exported: a regression in the numbers of the data.

    Args:
      outputs: Of `TaskModel`.
      model: The fine-tuned model.

    Returns:
      The same; predictions [B] of a number become logits [B, 1], as transformers calls them.
    """
    if model.config.task.kind != "regression":
        return dict(outputs)
    scale, offset = _scaling(model)
    return {"logits": outputs["predictions"][:, None] * scale + offset}  # [B, 1]


def _of_task(model: TaskModel, finetuned: Finetuned) -> ExportedNetwork:
    kind, inputs = finetuned.config.task.kind, finetuned.inputs
    scale, offset = _scaling(finetuned)

    def own(probe: Probe) -> dict[str, Floats]:
        said = task_outputs(model(probe.features(), training=False), finetuned)
        return {name: values.numpy() for name, values in said.items()}

    return ExportedNetwork(
        kind,
        task_config(finetuned.sizes, kind, inputs.labels, pad_id=inputs.special_ids.pad),
        cache(partial(task_tensors, model, kind, scale=scale, offset=offset)),
        own,
    )


def _scaling(model: Finetuned) -> tuple[float, float]:
    """What outputs are multiplied by, and what is added then, to be numbers of the data."""
    if model.config.task.kind != "regression":
        return 1.0, 0.0
    zero, one = TargetRange.of(model.inputs.labels).restored(np.arange(2))
    return float(one - zero), float(zero)


def _discriminated(model: ElectraModel, probe: Probe) -> dict[str, Floats]:
    features = probe.features()
    logits, sequence = model.discriminate(features["masked_input_ids"], features)
    return {"logits": logits.numpy(), "sequence_output": sequence.numpy()}
