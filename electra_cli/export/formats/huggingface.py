"""Folders for Hugging Face transformers: discriminator and generator, or the model of a task."""

from __future__ import annotations

import importlib.util
import json
import os
from collections.abc import Mapping
from pathlib import Path

from safetensors.numpy import load_file, save

from electra_cli.environment import prepare_torch
from electra_cli.errors import TrainingError
from electra_cli.export.checks.parity import Floats, Parity, compare, numpy_outputs
from electra_cli.export.checks.probe import Probe, make_probe
from electra_cli.export.formats.card import huggingface_card
from electra_cli.export.formats.tokenizer_files import write_tokenizer
from electra_cli.export.networks import ExportedNetwork, Model, networks_of
from electra_cli.interop.huggingface import output_names
from electra_cli.sources.exportable import Exportable


def write(model: Model, item: Exportable, folder: Path) -> None:
    """Writes the networks into an existing folder.

    Those of pretraining get a folder each, `discriminator/` and `generator/`.

    Raises:
      TrainingError: A variable has no place in Hugging Face's layout.
      OSError: The disk is full, for example.
    """
    for network in networks_of(model, item):
        part = _part(folder, network, item)
        part.mkdir(exist_ok=True)
        # Files of save_file could be read by nobody but their owner.
        content = save(network.tensors, metadata={"format": "pt"})
        (part / "model.safetensors").write_bytes(content)
        text = json.dumps(network.config, indent=2, ensure_ascii=False) + "\n"
        (part / "config.json").write_text(text, encoding="utf-8")
        write_tokenizer(item, part)
        (part / "README.md").write_text(huggingface_card(item, network.name), encoding="utf-8")


def check(model: Model, item: Exportable, folder: Path) -> Parity:
    """Reads the folders of the networks back and compares their logits with the model's.

    Raises:
      TrainingError: They differ by more than the bound, or do not fit each other.
    """
    probe, pairs = make_probe(item), []
    method = "transformers" if has_transformers() else "numpy"
    outputs_of = _transformers_outputs if method == "transformers" else _numpy_outputs
    for network in networks_of(model, item):
        ours = network.own_outputs(probe)
        theirs = outputs_of(_part(folder, network, item), network, probe)
        names = output_names(network.config)
        pairs += [(network.name, ours[name], theirs[name]) for name in names]
    return compare(method, pairs)


def _part(folder: Path, network: ExportedNetwork, item: Exportable) -> Path:
    return folder if item.finetuned else folder / network.name


def has_transformers() -> bool:
    """Whether transformers, and torch that it needs, are installed."""
    return all(importlib.util.find_spec(name) is not None for name in ("torch", "transformers"))


def _transformers_outputs(
    folder: Path, network: ExportedNetwork, probe: Probe
) -> Mapping[str, Floats]:
    # huggingface_hub reads it when it is imported: nothing here has a reason to ask the network.
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    prepare_torch()
    import torch
    import transformers

    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    (architecture,) = network.config["architectures"]
    loaded, info = getattr(transformers, architecture).from_pretrained(
        folder, local_files_only=True, use_safetensors=True, output_loading_info=True
    )
    faults = {
        key: sorted(map(str, info[key]))
        for key in ("missing_keys", "unexpected_keys", "mismatched_keys")
        if info[key]
    }
    if faults:
        raise TrainingError(f"transformers does not load the {network.name} completely: {faults}")
    with torch.no_grad():
        output = loaded.eval()(
            input_ids=torch.from_numpy(probe.ids).long(),
            attention_mask=torch.from_numpy(probe.mask).long(),
            token_type_ids=torch.from_numpy(probe.segments).long(),
        )
    return {name: output[name].numpy() for name in output_names(network.config)}


def _numpy_outputs(folder: Path, network: ExportedNetwork, probe: Probe) -> Mapping[str, Floats]:
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    return numpy_outputs(network.name, config, load_file(folder / "model.safetensors"), probe)
