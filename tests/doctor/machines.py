"""Made-up machines: folders with /proc, /sys and /dev, and what nvidia-smi says there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from electra_cli.training.devices.bounded import Answer
from electra_cli.training.devices.check import Check

L4 = "0, NVIDIA L4, 580.95.05, 23034, 8.9, [N/A]"


def write(root: Path, files: Mapping[str, str]) -> Path:
    """Writes files by their paths below a root, which is returned."""
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")
    return root


def smi(rows: str = "", listed: str = "", failure: str = "", *, is_there: bool = True) -> object:
    """An nvidia-smi with these rows, and this list of cards by their own names.

    By default that has a card GPU-N for each row.
    """
    names = (f"GPU {n}: a card (UUID: GPU-{n})\n" for n, _ in enumerate(rows.splitlines()))
    listed = listed or "".join(names)

    def answer(arguments: Sequence[str]) -> Answer:
        return Answer(listed if list(arguments) == ["-L"] else rows, failure, is_there)

    return answer


def states(checks: Sequence[Check]) -> dict[str, str]:
    """The state of each check by its name."""
    return {check.name: check.state for check in checks}


def one(checks: Sequence[Check], name: str) -> Check:
    """The one check of that name."""
    (found,) = [check for check in checks if check.name == name]
    return found
