"""Compares what was written with our own forward pass, by code that shares nothing with it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from electra_cli.errors import TrainingError
from electra_cli.export.checks.numpy_forward import NumpyElectra
from electra_cli.export.checks.probe import Probe

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Parity:
    """Outcome of a comparison.

    Attributes:
      method: What computed the other side: transformers, numpy, or tensorflow for the model itself.
      max_abs_difference: Largest difference between two logits.
      bound: What it must not exceed: 1e-4·max(1, largest absolute logit).
    """

    method: str
    max_abs_difference: float
    bound: float


def numpy_outputs(
    network: str, config: Mapping[str, Any], tensors: Mapping[str, Floats], probe: Probe
) -> dict[str, Floats]:
    """The outputs of a network from its config.json and its tensors; see `NumpyElectra.outputs`.

    Raises:
      TrainingError: A tensor is missing, or one belongs to nothing.
    """
    try:
        return NumpyElectra(config, tensors).outputs(probe.ids, probe.mask, probe.segments)
    except (KeyError, ValueError) as error:
        raise TrainingError(f"the tensors of the {network} are not complete: {error}") from error


def compare(
    method: str, pairs: Sequence[tuple[str, Floats, Floats]], *, tolerance: float = 1e-4
) -> Parity:
    """Checks pairs of outputs, each with its name, and returns the one closest to its bound.

    Raises:
      TrainingError: A pair differs by more than tolerance·max(1, largest absolute value).
    """
    found = []
    for name, ours, theirs in pairs:
        bound = tolerance * max(1.0, float(np.abs(ours).max()))
        difference = float(np.abs(ours - theirs).max())
        if not difference <= bound:  # also if it is not a number
            raise TrainingError(
                f"the exported {name} differs from the model: by {difference:.3g}, which is more "
                f"than {bound:.3g} (method: {method}); nothing was written",
                hint="please report this with the configuration of the run, RUN/config.yaml",
            )
        found.append(Parity(method, difference, bound))
    return max(found, key=lambda parity: parity.max_abs_difference / parity.bound)
