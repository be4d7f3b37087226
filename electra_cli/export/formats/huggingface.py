"""Folders for Hugging Face transformers: the discriminator and the generator."""

from __future__ import annotations

import json
from pathlib import Path

from safetensors.numpy import save

from electra_cli.export.formats.card import discriminator_card, generator_card
from electra_cli.export.formats.tokenizer_files import write_tokenizer
from electra_cli.export.sources.exportable import Exportable
from electra_cli.interop.huggingface import network_configs, network_tensors
from electra_cli.modeling.electra import ElectraModel


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
