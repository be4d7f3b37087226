"""Reads a recorded fine-tuning of the reference implementation and says it in our words."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import gin
import numpy as np
import tensorflow as tf
from official.modeling import optimization

from electra_cli.config.finetune import FinetuneOptimizerConfig
from electra_cli.modeling.architecture import Architecture, EncoderSizes
from electra_cli.modeling.heads.sizes import HeadSizes
from electra_cli.modeling.task_model import TaskModel
from electra_cli.optimization.adamw import ElectraAdamW
from electra_cli.optimization.registration import finetune_optimization_config
from electra_cli.training.plan.experiment import bind_gin
from tests.golden import reference_case

# The labels by which a kind of task is known.
_KINDS = {
    "label_ids": "classification",
    "targets": "regression",
    "labels": "tagging",
    "start_positions": "qa",
}
# Any other value is another algorithm.
_ONLY = {"answerable_weight": 0.5, "bias_correction": False}


class FinetuneCase:
    """One folder of recorded values.

    Args:
      folder: Holds config.json, golden.npz and reference.ckpt. Of golden.npz arrays may have been
        left out to save room: what is there is compared.

    Raises:
      ValueError: The case needs something that this package does not have.
    """

    def __init__(self, folder: Path) -> None:
        self.recorded = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        self.values = np.load(folder / "golden.npz", allow_pickle=False)
        self.reader = tf.train.load_checkpoint(str(folder / "reference.ckpt"))
        self.steps: int = self.recorded["steps"]
        if not self.recorded["dropout"].startswith("off"):
            raise ValueError(f"dropout is {self.recorded['dropout']}")
        hparams = self.recorded["finetuning_config"] | self.recorded["optimizer"]
        for name, value in _ONLY.items():
            if hparams.get(name, value) != value:
                raise ValueError(f"{name} {hparams[name]} is another algorithm: only {value} is")
        self.architecture = _architecture(self.recorded)
        self.head = self._head(hparams)

    def _head(self, hparams: Mapping[str, Any]) -> HeadSizes:
        kind = next(kind for label, kind in _KINDS.items() if label in self.part("step0/in"))
        return HeadSizes(
            kind=kind,
            style="reference",
            classes=self.recorded["variables"][f"{self._scope}dense/bias"][0],
            joint=hparams.get("joint_prediction", True),
            answerable=hparams.get("answerable_classifier", True),
            answerable_from_start=hparams.get("answerable_uses_start_logits", True),
            beam=hparams.get("beam_size", 20),
        )

    @property
    def _scope(self) -> str:
        return f"task_specific/{self.recorded['task']}/"

    def model(self, precision: str = "float32") -> TaskModel:
        """A model with the recorded weights."""
        model = TaskModel(self.architecture, self.head, seed=0, compute_dtype=precision)
        for variable in model.trainable_variables:
            name = variable.name.replace("task_head/", self._scope)
            variable.assign(reference_case.from_reference(name, self.reader.get_tensor))
        return model

    def to_reference(self, name: str, values: np.ndarray) -> dict[str, np.ndarray]:
        """The reference's variables, from the values of one of ours."""
        return reference_case.to_reference(name.replace("task_head/", self._scope), values)

    def optimizer(self) -> ElectraAdamW:
        """The optimizer and schedule of this case; its decay power is a gin parameter with us."""
        recorded = self.recorded["optimizer"]
        decay = recorded["layerwise_lr_decay"]
        chosen = FinetuneOptimizerConfig(
            learning_rate=recorded["learning_rate"],
            layer_decay="reference" if decay > 0 else "none",
            decay_factor=decay if decay > 0 else None,
            warmup_proportion=recorded["warmup_proportion"],
            weight_decay=recorded["weight_decay_rate"],
            beta_1=recorded["beta_1"],
            beta_2=recorded["beta_2"],
            epsilon=recorded["epsilon"],
        )
        steps, layers = recorded["num_train_steps"], self.architecture.main.layers
        bind_gin([], [f"ElectraSchedule.power = {recorded['lr_decay_power']}"])
        try:
            config = finetune_optimization_config(chosen, steps=steps, layers=layers)
            factory = optimization.OptimizerFactory(config)
            return factory.build_optimizer(factory.build_learning_rate())
        finally:
            gin.clear_config()

    def part(self, prefix: str) -> dict[str, np.ndarray]:
        """All recorded values below a prefix, by the rest of their names."""
        prefix += "/"
        names = [name for name in self.values.files if name.startswith(prefix)]
        return {name.removeprefix(prefix): self.values[name] for name in names}

    def inputs(self, prefix: str) -> dict[str, tf.Tensor]:
        """A batch."""
        return {name: tf.constant(value) for name, value in self.part(f"{prefix}/in").items()}


def _architecture(recorded: Mapping[str, Any]) -> Architecture:
    sizes = recorded["discriminator"]
    if sizes["hidden_act"] != "gelu":
        raise ValueError(f"hidden_act {sizes['hidden_act']} is another algorithm: only gelu is")
    main = EncoderSizes(
        hidden=sizes["hidden_size"],
        layers=sizes["num_hidden_layers"],
        heads=sizes["num_attention_heads"],
        intermediate=sizes["intermediate_size"],
        hidden_dropout=0.0,
        attention_dropout=0.0,
        initializer_range=sizes["initializer_range"],
    )
    return Architecture(
        vocab_size=sizes["vocab_size"],
        embedding=recorded["embedding_size"],
        max_positions=sizes["max_position_embeddings"],
        types=sizes["type_vocab_size"],
        generator=None,
        discriminator=main,
        seed=0,
    )
