"""The two networks of a model by name, and their tensors in the layout that others read."""

from __future__ import annotations

from electra_cli.export.sources.source import Source
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
