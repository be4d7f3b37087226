"""Compares what was written with our own forward pass, by code that shares nothing with it."""

from __future__ import annotations

import importlib.util
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf
from safetensors.numpy import load_file

from electra_cli.environment import prepare_torch
from electra_cli.errors import TrainingError
from electra_cli.export.checks.numpy_forward import NumpyElectra
from electra_cli.export.checks.probe import Probe, make_probe, make_texts
from electra_cli.export.sources.exportable import Exportable
from electra_cli.interop.huggingface import network_configs, network_tensors
from electra_cli.interop.source import find_source
from electra_cli.interop.weights import load_weights
from electra_cli.modeling.electra import ElectraModel

Floats = npt.NDArray[np.float32]

_TOLERANCE = 1e-4


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


def check_huggingface(model: ElectraModel, item: Exportable, folder: Path) -> Parity:
    """Reads the folders of the networks back and compares their logits with the model's.

    Raises:
      TrainingError: They differ by more than the bound, or do not fit each other.
    """
    probe = make_probe(item)
    ours = _own_logits(model, probe, item)
    method = "transformers" if _has_transformers() else "numpy"
    logits_of = _transformers_logits if method == "transformers" else _numpy_logits_of_files
    theirs = {name: logits_of(folder / name, name, probe) for name in ours}
    return compare(method, [(name, ours[name], theirs[name]) for name in ours])


def check_saved_model(model: ElectraModel, item: Exportable, folder: Path) -> Parity:
    """Loads a SavedModel back and compares it with the NumPy forward pass over the weights.

    Raises:
      TrainingError: The signatures differ by more than the bound from it or from each other.
    """
    probe = make_probe(item)
    expected = numpy_discriminator(model, item).discriminator_logits(
        probe.ids, probe.mask, probe.segments
    )
    signatures = tf.saved_model.load(str(folder)).signatures
    served = _serve(signatures, probe)
    pairs = [("serving_default", served, expected)]
    if item.vocab is not None:
        from_text = signatures["text"](text=tf.constant(make_texts(item, item.vocab)))
        ids = from_text["input_ids"].numpy()
        mask = (ids != item.special_ids.pad).astype(np.int32)
        from_ids = _serve(signatures, Probe(ids, mask, np.zeros_like(ids)))
        pairs.append(("text", from_text["logits"].numpy(), from_ids))
    return compare("numpy", pairs)


def check_reference(model: ElectraModel, item: Exportable, folder: Path) -> Parity:
    """Reads a checkpoint of the reference back and compares its networks by NumPy.

    Raises:
      DataError: A variable is missing.
      TrainingError: The networks differ by more than the bound.
    """
    again = ElectraModel(model.architecture)
    load_weights(again, find_source(folder), allow_missing=["generator"])
    configs = network_configs(item.config, pad_id=item.special_ids.pad)
    tensors = network_tensors(again)
    probe = make_probe(item)
    ours = _own_logits(model, probe, item)
    theirs = {name: _numpy_logits(configs[name], tensors[name], name, probe) for name in ours}
    return compare("numpy", [(name, ours[name], theirs[name]) for name in ours])


def numpy_discriminator(model: ElectraModel, item: Exportable) -> NumpyElectra:
    """The discriminator of a model, computed by NumPy."""
    config = network_configs(item.config, pad_id=item.special_ids.pad)["discriminator"]
    return NumpyElectra(config, network_tensors(model)["discriminator"])


def _own_logits(model: ElectraModel, probe: Probe, item: Exportable) -> dict[str, Floats]:
    features = probe.features()
    forward = {
        "discriminator": lambda: model.discriminate(features["masked_input_ids"], features)[0],
        "generator": lambda: model.generate(features),
    }
    return {name: forward[name]().numpy() for name in item.networks}


def _serve(signatures: Mapping[str, Any], probe: Probe) -> Floats:
    outputs = signatures["serving_default"](
        input_ids=tf.constant(probe.ids),
        input_mask=tf.constant(probe.mask),
        segment_ids=tf.constant(probe.segments),
    )
    return outputs["logits"].numpy()


def _has_transformers() -> bool:
    return all(importlib.util.find_spec(name) is not None for name in ("torch", "transformers"))


def _transformers_logits(folder: Path, network: str, probe: Probe) -> Floats:
    # huggingface_hub reads it when it is imported: nothing here has a reason to ask the network.
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    prepare_torch()
    import torch
    import transformers

    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    classes = {
        "discriminator": transformers.ElectraForPreTraining,
        "generator": transformers.ElectraForMaskedLM,
    }
    loaded, info = classes[network].from_pretrained(
        folder, local_files_only=True, use_safetensors=True, output_loading_info=True
    )
    faults = {
        key: sorted(map(str, info[key]))
        for key in ("missing_keys", "unexpected_keys", "mismatched_keys")
        if info[key]
    }
    if faults:
        raise TrainingError(f"transformers does not load {network}/ completely: {faults}")
    with torch.no_grad():
        output = loaded.eval()(
            input_ids=torch.from_numpy(probe.ids).long(),
            attention_mask=torch.from_numpy(probe.mask).long(),
            token_type_ids=torch.from_numpy(probe.segments).long(),
        )
    return output.logits.numpy()


def _numpy_logits_of_files(folder: Path, network: str, probe: Probe) -> Floats:
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    return _numpy_logits(config, load_file(folder / "model.safetensors"), network, probe)


def _numpy_logits(
    config: Mapping[str, Any], tensors: Mapping[str, Floats], network: str, probe: Probe
) -> Floats:
    loaded = NumpyElectra(config, tensors)
    forward = loaded.discriminator_logits if network == "discriminator" else loaded.generator_logits
    try:
        return forward(probe.ids, probe.mask, probe.segments)
    except (KeyError, ValueError) as error:
        raise TrainingError(f"the tensors of the {network} are not complete: {error}") from error


def compare(method: str, pairs: Sequence[tuple[str, Floats, Floats]]) -> Parity:
    """Checks pairs of outputs, each with its name, and returns the one closest to its bound.

    Raises:
      TrainingError: A pair differs by more than 1e-4·max(1, largest absolute value).
    """
    found = []
    for name, ours, theirs in pairs:
        bound = _TOLERANCE * max(1.0, float(np.abs(ours).max()))
        difference = float(np.abs(ours - theirs).max())
        if not difference <= bound:  # also if it is not a number
            raise TrainingError(
                f"the exported {name} differs from the model: by {difference:.3g}, which is more "
                f"than {bound:.3g} (method: {method}); nothing was written",
                hint="please report this with the configuration of the run, RUN/config.yaml",
            )
        found.append(Parity(method, difference, bound))
    return max(found, key=lambda parity: parity.max_abs_difference / parity.bound)
