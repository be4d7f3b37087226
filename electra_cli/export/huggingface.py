"""Two folders for Hugging Face transformers: the discriminator and the generator."""

from __future__ import annotations

import json
from pathlib import Path

from safetensors import SafetensorError
from safetensors.numpy import save_file

from electra_cli.errors import IOFailedError
from electra_cli.export.card import discriminator_card, generator_card
from electra_cli.export.source import Source
from electra_cli.export.tokenizer_files import write_tokenizer
from electra_cli.interop import huggingface as layout
from electra_cli.modeling.electra import ElectraModel

DISCRIMINATOR, GENERATOR = "discriminator", "generator"


def network_tensors(model: ElectraModel, source: Source) -> dict[str, layout.Tensors]:
    """Both networks' tensors in Hugging Face's layout; every trainable variable is in there."""
    links = {
        DISCRIMINATOR: layout.discriminator_links(source.config),
        GENERATOR: layout.generator_links(source.config),
    }
    return layout.to_tensors(model, links)


def write(model: ElectraModel, source: Source, folder: Path) -> None:
    """Writes `discriminator/` and `generator/` into an existing folder.

    Raises:
      TrainingError: A variable has no place in Hugging Face's layout.
      IOFailedError: The disk is full, for example.
    """
    pad = source.manifest.special_ids.pad
    tensors = network_tensors(model, source)
    for name, config, card in (
        (DISCRIMINATOR, layout.discriminator_config(source.config, pad_id=pad), discriminator_card),
        (GENERATOR, layout.generator_config(source.config, pad_id=pad), generator_card),
    ):
        part = folder / name
        part.mkdir()
        try:
            save_file(tensors[name], part / "model.safetensors", metadata={"format": "pt"})
        except SafetensorError as error:
            raise IOFailedError(
                f"{part / 'model.safetensors'} cannot be written: {error}"
            ) from error
        (part / "config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
        write_tokenizer(source, part)
        (part / "README.md").write_text(card(source), encoding="utf-8")
