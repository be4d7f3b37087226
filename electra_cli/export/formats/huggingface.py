"""Folders for Hugging Face transformers: the discriminator and the generator."""

from __future__ import annotations

import json
from pathlib import Path

from safetensors.numpy import save

from electra_cli.export.formats.card import discriminator_card, generator_card
from electra_cli.export.formats.tokenizer_files import write_tokenizer
from electra_cli.export.sources.networks import DISCRIMINATOR, GENERATOR, network_tensors
from electra_cli.export.sources.source import Source
from electra_cli.interop import huggingface as layout
from electra_cli.modeling.electra import ElectraModel


def write(model: ElectraModel, source: Source, folder: Path) -> None:
    """Writes `discriminator/` and, if there is one, `generator/` into an existing folder.

    Raises:
      TrainingError: A variable has no place in Hugging Face's layout.
      OSError: The disk is full, for example.
    """
    pad = source.special_ids.pad
    tensors = network_tensors(model, source)
    parts = {
        DISCRIMINATOR: (layout.discriminator_config, discriminator_card),
        GENERATOR: (layout.generator_config, generator_card),
    }
    for name in source.networks:
        config_of, card = parts[name]
        config = config_of(source.config, pad_id=pad)
        part = folder / name
        part.mkdir()
        # Not save_file, whose files nobody but their owner may read.
        content = save(tensors[name], metadata={"format": "pt"})
        (part / "model.safetensors").write_bytes(content)
        (part / "config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
        write_tokenizer(source, part)
        (part / "README.md").write_text(card(source), encoding="utf-8")
