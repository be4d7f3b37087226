"""Folders for Hugging Face transformers: the discriminator and the generator."""

from __future__ import annotations

import importlib.util
import json
import os
from pathlib import Path

from safetensors.numpy import load_file, save

from electra_cli.environment import prepare_torch
from electra_cli.errors import TrainingError
from electra_cli.export.checks.parity import Floats, Parity, compare, numpy_logits, own_logits
from electra_cli.export.checks.probe import Probe, make_probe
from electra_cli.export.formats.card import discriminator_card, generator_card
from electra_cli.export.formats.tokenizer_files import write_tokenizer
from electra_cli.interop.huggingface import network_configs, network_tensors
from electra_cli.modeling.electra import ElectraModel
from electra_cli.sources.exportable import Exportable


def write(model: ElectraModel, item: Exportable, folder: Path) -> None:
    """Writes `discriminator/` and, if there is one, `generator/` into an existing folder.

    Raises:
      TrainingError: A variable has no place in Hugging Face's layout.
      OSError: The disk is full, for example.
    """
    tensors = network_tensors(model)
    configs = network_configs(item.config, pad_id=item.special_ids.pad)
    cards = {"discriminator": discriminator_card, "generator": generator_card}
    for name in item.networks:
        part = folder / name
        part.mkdir()
        # Files of save_file could be read by nobody but their owner.
        content = save(tensors[name], metadata={"format": "pt"})
        (part / "model.safetensors").write_bytes(content)
        text = json.dumps(configs[name], indent=2) + "\n"
        (part / "config.json").write_text(text, encoding="utf-8")
        write_tokenizer(item, part)
        (part / "README.md").write_text(cards[name](item), encoding="utf-8")


def check(model: ElectraModel, item: Exportable, folder: Path) -> Parity:
    """Reads the folders of the networks back and compares their logits with the model's.

    Raises:
      TrainingError: They differ by more than the bound, or do not fit each other.
    """
    probe = make_probe(item)
    ours = own_logits(model, probe, item)
    method = "transformers" if has_transformers() else "numpy"
    logits_of = _transformers_logits if method == "transformers" else _numpy_logits_of_files
    theirs = {name: logits_of(folder / name, name, probe) for name in ours}
    return compare(method, [(name, ours[name], theirs[name]) for name in ours])


def has_transformers() -> bool:
    """Whether transformers, and torch that it needs, are installed."""
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
    return numpy_logits(config, load_file(folder / "model.safetensors"), network, probe)
