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
from electra_cli.interop.huggingface import network_configs, network_tensors
from electra_cli.modeling.electra import ElectraModel
from electra_cli.sources.exportable import Exportable

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Parity:
    """Outcome of a comparison.

    Attributes:
      method: What computed the other side: transformers or numpy.
      max_abs_difference: Largest difference between two logits.
      bound: What it must not exceed: 1e-4·max(1, largest absolute logit).
    """

    method: str
    max_abs_difference: float
    bound: float


def numpy_discriminator(model: ElectraModel, item: Exportable) -> NumpyElectra:
    """The discriminator of a model, computed by NumPy."""
    config = network_configs(item.config, pad_id=item.special_ids.pad)["discriminator"]
    return NumpyElectra(config, network_tensors(model)["discriminator"])


def own_logits(model: ElectraModel, probe: Probe, item: Exportable) -> dict[str, Floats]:
    """The logits of each network that is exported, as the model computes them."""
    features = probe.features()
    forward = {
        "discriminator": lambda: model.discriminate(features["masked_input_ids"], features)[0],
        "generator": lambda: model.generate(features),
    }
    return {name: forward[name]().numpy() for name in item.networks}


def numpy_logits(
    config: Mapping[str, Any], tensors: Mapping[str, Floats], network: str, probe: Probe
) -> Floats:
    """The logits of a network, from its config.json and its tensors.

    Raises:
      TrainingError: A tensor is missing, or one belongs to nothing.
    """
    loaded = NumpyElectra(config, tensors)
    forward = loaded.discriminator_logits if network == "discriminator" else loaded.generator_logits
    try:
        return forward(probe.ids, probe.mask, probe.segments)
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
