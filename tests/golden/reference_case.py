"""Reads a recorded case of the reference implementation and says it in our words."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path

import gin
import numpy as np
import tensorflow as tf
import tf_keras

from electra_cli.modeling.electra import ElectraModel
from electra_cli.objectives import objective_of
from electra_cli.optimization.registration import optimization_config
from electra_cli.tasks.electra import ElectraPretrainTask, ElectraTaskConfig
from electra_cli.training.plan.experiment import bind_gin
from tests.golden.hparams import architecture_of, config_of, hparams_of

DIRECTORIES = "ELECTRA_GOLDEN_DIRS"


def case_folders(
    environment: Mapping[str, str] = os.environ, *, finetuning: bool = False
) -> list[Path]:
    """The folders of all cases of a kind to test.

    Args:
      environment: ELECTRA_GOLDEN_DIRS, folders separated by colons, replaces the cases that lie
        beside this file, where it has some of the kind; each is a case itself or holds some.
      finetuning: Recorded fine-tuning instead of pretraining.

    Raises:
      ValueError: A folder is missing, or there is no case in it.
    """
    here = Path(__file__).parent
    named = [Path(name) for name in environment.get(DIRECTORIES, "").split(":") if name]
    found: list[Path] = []
    for folder in named:
        cases = _cases_in(folder)
        if not cases:
            fault = "no recorded case in" if folder.is_dir() else "no folder"
            raise ValueError(f"{fault} {folder}, which {DIRECTORIES} names")
        found += [case for case in cases if _is_finetuning(case) == finetuning]
    return found or [case for case in _cases_in(here) if _is_finetuning(case) == finetuning]


def _cases_in(folder: Path) -> list[Path]:
    return sorted(path.parent for path in folder.rglob("golden.npz"))


def _is_finetuning(case: Path) -> bool:
    return "task" in json.loads((case / "config.json").read_text(encoding="utf-8"))


class ReferenceCase:
    """One folder of recorded values.

    Args:
      folder: Holds config.json, golden.npz and reference.ckpt.

    Raises:
      ValueError: The case needs something that this package does not have.
    """

    def __init__(self, folder: Path) -> None:
        self.recorded = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        self.values = np.load(folder / "golden.npz", allow_pickle=False)
        self.reader = tf.train.load_checkpoint(str(folder / "reference.ckpt"))
        self.config = config_of(self.recorded)
        self.architecture = architecture_of(self.recorded, self.config)
        # What our norm is: that of the reference where no table is read by look-ups alone.
        self.norm = "gnorm_summed" if "step0/out/gnorm_summed" in self.values else "gnorm"
        self.steps: int = self.recorded["steps"]
        self.losses = objective_of(self.config.objective).losses
        slots = hparams_of(self.recorded).get("max_predictions_per_seq")
        slots = self.config.max_predictions if slots is None else slots
        if (found := self.values["step0/in/masked_lm_positions"].shape[1]) != slots:
            raise ValueError(f"{folder} has {found} masked positions in a row, not {slots}")

    def task(self) -> ElectraPretrainTask:
        """A task of this case's configuration and architecture."""
        special = {name: self.recorded[f"{name}_id"] for name in ("pad", "cls", "sep", "mask")}
        config = ElectraTaskConfig(settings=self.config.model_dump(), special_ids=special)
        return ElectraPretrainTask(config)

    def model(self, task: ElectraPretrainTask, precision: str = "float32") -> ElectraModel:
        """The task's model with the recorded weights, which computes in `precision`."""
        policy = "float32" if precision == "float32" else f"mixed_{precision}"
        tf_keras.mixed_precision.set_global_policy(policy)
        try:
            model = task.build_model()
        finally:
            tf_keras.mixed_precision.set_global_policy("float32")
        for variable in model.trainable_variables:
            variable.assign(from_reference(variable.name, self.reader.get_tensor))
        return model

    def optimizer(self, task: ElectraPretrainTask) -> tf_keras.optimizers.legacy.Optimizer:
        """The optimizer and schedule of this case; its decay power is a gin parameter with us."""
        power = hparams_of(self.recorded).get("lr_decay_power", 1.0)
        bind_gin([], [f"ElectraSchedule.power = {power}"])
        try:
            return task.create_optimizer(optimization_config(self.config))
        finally:
            gin.clear_config()

    def inputs(self, step: int) -> dict[str, tf.Tensor]:
        """The batch of a step with its frozen masks and samples."""
        prefix = f"step{step}/in/"
        names = [name for name in self.values.files if name.startswith(prefix)]
        return {name.removeprefix(prefix): tf.constant(self.values[name]) for name in names}

    def output(self, step: int, name: str) -> np.ndarray:
        """A recorded output of a step."""
        return self.values[f"step{step}/out/{name}"]


_PARTS = ("query", "key", "value")  # three variables of the reference, one of ours


def from_reference(name: str, read: Callable[[str], np.ndarray]) -> np.ndarray:
    """The values of one of our variables, from the reference's.

    Our names are the reference's, but for query, key and value, which are one variable here.
    """
    name = name.split(":")[0]
    if "/self/qkv/" in name:
        return np.concatenate([read(name.replace("qkv", part)) for part in _PARTS], axis=-1)
    return read(name)


def to_reference(name: str, values: np.ndarray) -> dict[str, np.ndarray]:
    """The reference's variables, from the values of one of ours."""
    name = name.split(":")[0]
    if "/self/qkv/" in name:
        split = np.split(values, len(_PARTS), axis=-1)
        return {name.replace("qkv", part): value for part, value in zip(_PARTS, split, strict=True)}
    return {name: values}
