"""Recorded cases of the reference on the device, compiled as a whole, in both number formats."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from electra_cli.interop.huggingface import network_tensors
from electra_cli.modeling.fused import plain_operations
from gpu_parts.errors import OUTPUTS, Array, errors_of_outputs, relative
from gpu_parts.sizes import job_of

ROOT = Path(__file__).parents[2]
sys.path.append(str(ROOT))

from tests.golden.reference_case import ReferenceCase, to_reference  # noqa: E402

_LOSSES = {"masked_lm_loss": "mlm_loss", "disc_loss": "disc_loss", "total_loss": "total_loss"}


def measure(name: str, folder: Path, *, device: str) -> dict[str, Any]:
    """Relative errors of a case, the largest of all steps.

    Args:
      name: Of its folder in tests/golden.
      folder: Gets weights, inputs and the recorded outputs of step 0, for another implementation.
      device: Where it runs.

    Returns:
      job: The configuration. float32 and bfloat16: of each output and of the gradient in step 0; in
      float32 also of the losses and the norm of the gradient in all steps, and of the weights at
      the end.
    """
    case = ReferenceCase(ROOT / "tests" / "golden" / name)
    # The step that is trained with on a card.
    case.config = case.config.replaced({"runtime.xla": True})
    _write(case, folder)
    with tf.device(device):
        errors = {precision: _errors(case, precision) for precision in ("float32", "bfloat16")}
    return {"job": job_of(case.config), **errors}


def _errors(case: ReferenceCase, precision: str) -> dict[str, float]:
    task = case.task()
    model, optimizer = case.model(task, precision), case.optimizer(task)
    variables = model.trainable_variables

    @tf.function(jit_compile=True, autograph=False)
    def observe(inputs: dict[str, tf.Tensor]) -> tuple[dict[str, tf.Tensor], list[tf.Tensor]]:
        with plain_operations(), tf.GradientTape() as tape:
            outputs = model(inputs, training=True)
            loss = task.build_losses(inputs, outputs)
        gradients = tape.gradient(loss, variables)
        return outputs, [tf.convert_to_tensor(gradient) for gradient in gradients]

    @tf.function(autograph=False)
    def update(inputs: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        return task.train_step(inputs, model, optimizer)

    found, gradients = observe(case.inputs(0))
    found["disc_probabilities"] = tf.sigmoid(found["disc_logits"])
    outputs = {ours: tf.cast(found[ours], tf.float32).numpy() for ours in OUTPUTS}
    errors = errors_of_outputs(outputs, recorded(case))
    by_name: dict[str, Array] = {}
    for variable, gradient in zip(variables, gradients, strict=True):
        by_name |= to_reference(variable.name, gradient.numpy())
    errors["gradient"] = relative(
        np.concatenate([gradient.ravel() for gradient in by_name.values()]),
        np.concatenate([case.values[f"step0/grad/{key}"].ravel() for key in by_name]),
    )
    if precision != "float32":
        return errors
    for step in range(case.steps):
        logs = update(case.inputs(step))
        for ours, theirs in {**_LOSSES, "gradient_norm": "gnorm"}.items():
            error = relative(logs[ours].numpy(), case.output(step, theirs))
            errors[ours] = max(errors.get(ours, 0.0), error)
    ends: list[tuple[Array, Array]] = []
    for variable in variables:
        for key, value in to_reference(variable.name, variable.numpy()).items():
            ends.append((value.ravel(), case.values[f"final/{key}"].ravel()))
    errors["weights"] = relative(*(np.concatenate(part) for part in zip(*ends, strict=True)))
    return errors


def recorded(case: ReferenceCase) -> dict[str, Array]:
    """Outputs of step 0 as recorded, and which masked slots are used."""
    found = {ours: case.output(0, theirs) for ours, theirs in OUTPUTS.items()}
    return found | {"used": case.values["step0/in/masked_lm_weights"] > 0}  # [B, M]


def _write(case: ReferenceCase, folder: Path) -> None:
    tensors = network_tensors(case.model(case.task()))
    flat = {f"{net}/{key}": value for net, part in tensors.items() for key, value in part.items()}
    inputs = {key: value.numpy() for key, value in case.inputs(0).items()}
    inputs["disc_inputs"] = case.output(0, "disc_inputs")
    np.savez(folder / "weights.npz", **flat)  # type: ignore[arg-type]
    np.savez(folder / "inputs.npz", **inputs)
    np.savez(folder / "recorded.npz", **recorded(case))  # type: ignore[arg-type]
