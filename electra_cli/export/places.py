"""What each format has a place for, and which networks of a model are written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from electra_cli.config.choices import Network
from electra_cli.errors import ConfigError
from electra_cli.sources.exportable import Exportable
from electra_cli.sources.finetuned import Finetuned

# A line a format, with its file in formats/, which has the functions `write` and `check`.
FORMATS = {
    "huggingface": "huggingface",
    "saved-model": "saved_model",
    "onnx": "onnx_model",
    "reference": "reference",
}
HUGGINGFACE, SAVED_MODEL, ONNX, REFERENCE = FORMATS


def placed(item: Exportable, format: str, checkpoint: Path, only: Network | None) -> Exportable:
    """What is written of a model: nothing that was asked for is left out.

    Hugging Face's folders and the reference's checkpoint are of all networks that there are, the
    SavedModel and ONNX of the discriminator.

    Args:
      item: The model.
      format: One of FORMATS.
      checkpoint: What it was opened from, for messages.
      only: The one network that is asked for; None for those that the format is of.

    Returns:
      The model with these networks alone.

    Raises:
      ConfigError: It does not have the network, or the format has no place for it.
    """
    if item.finetuned is not None:
        _check_task(item.finetuned, format, checkpoint, only)
        return item
    there = tuple(item.networks)
    if only is not None and only not in there:
        raise ConfigError(
            f"{checkpoint} has no {only}, which --only names",
            hint=f"leave out --only: its {there[0]} is all that there is",
        )
    asked = there
    if only is not None:
        asked = (only,)
    elif format in (SAVED_MODEL, ONNX) and "discriminator" in there:
        asked = ("discriminator",)
    if not _fits(asked, item, format):
        what = "the two towers that are the generator" if item.has_towers else "the generator"
        more = ""
        if len(there) < 2:
            more = f", and objective {item.config.objective.name} trains nothing else"
        elif format == REFERENCE:
            more = " without its discriminator"
        raise ConfigError(
            f"format {format} has no place for {what} of {checkpoint}{more}",
            hint=", or ".join(_ways(asked, item, format)),
        )
    return replace(item, networks=asked)


def _fits(networks: Sequence[Network], item: Exportable, format: str) -> bool:
    """Whether a format can hold these networks of a model, and no others."""
    if "generator" not in networks:
        return True
    if format == REFERENCE:  # it is read from the main network on
        return len(networks) == len(item.networks)
    return format == HUGGINGFACE and not item.has_towers


def _ways(asked: Sequence[Network], item: Exportable, format: str) -> list[str]:
    """What to type in place of a format that has no place for what is asked for."""
    others = [name for name in item.networks if list(asked) != [name]]
    parts = [f"--only {name}" for name in others if _fits([name], item, format)]
    formats = [f"--format {name}" for name in FORMATS if _fits(asked, item, name)]
    if not formats:
        whole = [name for name in FORMATS if _fits(item.networks, item, name)]
        formats = [f"--format {name} without --only" for name in whole]
    return parts + formats


def _check_task(model: Finetuned, format: str, checkpoint: Path, only: Network | None) -> None:
    if only is not None:
        raise ConfigError(
            f"{checkpoint} is fine-tuned, and has no {only} that --only could name",
            hint="leave out --only: the model of the task is all that there is",
        )
    if format == REFERENCE:
        raise ConfigError(
            f"format {format} holds what is pretrained, and {checkpoint} is fine-tuned",
            hint=f"--format {HUGGINGFACE}, --format {SAVED_MODEL} or --format {ONNX}",
        )
    if format != SAVED_MODEL and model.head.style == REFERENCE:
        raise ConfigError(
            f"format {format} has no place for the reference's head, which {checkpoint} was "
            "fine-tuned with",
            hint=f"--format {SAVED_MODEL}, or fine-tune again with --head {HUGGINGFACE}",
        )
