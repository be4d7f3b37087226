"""What a shell offers for folders: runs, checkpoints, prepared data; and for cards by their names;
without TensorFlow.

It is asked at every press of a key, so it looks two folders deep and opens no file. Where nothing
is offered, the shell completes the names of files by itself.
"""

from __future__ import annotations

import glob
import os
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

from electra_cli.environment import may_have_card
from electra_cli.files import layout

_MOST = 500
_SMI_SECONDS = 2.0  # nobody waits longer for an offer


def runs(incomplete: str) -> list[str]:
    """Folders that `electra pretrain` wrote."""
    return _folders(incomplete, layout.CONFIG_FILE)


def prepared(incomplete: str) -> list[str]:
    """Folders that `electra prepare-data` wrote."""
    return _folders(incomplete, layout.MANIFEST_FILE)


def checkpoints(incomplete: str) -> list[str]:
    """Folders that `electra pretrain` or `electra finetune` wrote; behind RUN/ its checkpoints."""
    found = _folders(incomplete, layout.CONFIG_FILE, layout.FINETUNE_FILE)
    parts = incomplete.split("/")
    for count in range(max(1, len(parts) - 2), len(parts)):
        run = "/".join(parts[:count])
        if run and (_path(run) / layout.CONFIG_FILE).is_file():
            found += [path for path in _checkpoints(run) if path.startswith(incomplete)]
    return found


def configurations(incomplete: str) -> list[str]:
    """Presets, tasks, and folders with a configuration."""
    from electra_cli.config.finetune import FinetuneConfig
    from electra_cli.config.presets import available_presets

    names = [*available_presets(), *available_presets(FinetuneConfig)]
    found = _folders(incomplete, layout.CONFIG_FILE, layout.FINETUNE_FILE)
    return [name for name in names if name.startswith(incomplete)] + found


def cards() -> list[str]:
    """The names of this machine's NVIDIA cards, and of the instances that they are divided into."""
    from electra_cli.training.devices.bounded import Answer, ask
    from electra_cli.training.devices.cards import list_cards

    def smi(arguments: Sequence[str]) -> Answer:
        return ask(["nvidia-smi", *arguments], seconds=_SMI_SECONDS)

    found = list_cards(smi) if may_have_card(os.environ) else []
    return [name for card in found for name in (card.uuid, *card.instances)]


def _folders(incomplete: str, *files: str) -> list[str]:
    """Folders that hold one of the files, written as what was typed begins."""
    start, slash, name = incomplete.rpartition("/")
    typed = start + slash
    begin = _path(typed)
    patterns = [f"{glob.escape(name)}*/{deeper}{file}" for deeper in ("", "*/") for file in files]
    there = (path.parent for pattern in patterns for path in begin.glob(pattern))
    return sorted({typed + str(path.relative_to(begin)) for path in islice(there, _MOST)})


def _checkpoints(run: str) -> Iterator[str]:
    """All of a run, by ascending step; those of an older electra are several files."""
    folder = _path(run) / layout.CHECKPOINTS_FOLDER
    names = (layout.prefix_of(path).name for path in folder.glob(layout.CHECKPOINT_PATTERN))
    for step in sorted({step for name in names if (step := layout.step_of(name)) is not None}):
        yield f"{run}/{layout.CHECKPOINTS_FOLDER}/{layout.checkpoint_name(step)}"


def _path(typed: str) -> Path:
    try:
        return Path(typed or ".").expanduser()
    except RuntimeError:  # the home of nobody
        return Path(typed)
