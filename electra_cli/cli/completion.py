"""What a shell offers for folders: runs, what was fine-tuned, checkpoints; without TensorFlow.

It is asked at every press of a key, so it looks two folders deep and opens no file. Where nothing
is offered, the shell completes the names of files by itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from electra_cli.config.finetune import FinetuneConfig
from electra_cli.config.presets import available_presets
from electra_cli.files import layout

_RUN, _FINETUNED = (layout.CONFIG_FILE,), (layout.FINETUNE_FILE,)
_PARTS = ("*", "*/*")  # where folders are looked for, from the one that is typed
_MOST = 500


def runs(incomplete: str) -> list[str]:
    """Folders that `electra pretrain` wrote."""
    return list(_folders(incomplete, _RUN))


def checkpoints(incomplete: str) -> list[str]:
    """The same, and what `electra finetune` wrote; where one run is typed, its checkpoints too."""
    found = list(_folders(incomplete, _RUN + _FINETUNED))
    run = _run_in(incomplete)
    if run is not None:
        steps = (run / layout.CHECKPOINTS_FOLDER).glob(layout.CHECKPOINT_PATTERN)
        named = sorted(
            {layout.prefix_of(path) for path in steps},
            key=lambda path: layout.step_of(path.name) or 0,
        )
        found += [str(path) for path in named if layout.step_of(path.name) is not None]
    return [path for path in found if path.startswith(incomplete)]


def configurations(incomplete: str) -> list[str]:
    """Presets, tasks, and folders with a configuration."""
    names = [*available_presets(), *available_presets(FinetuneConfig)]
    found = [name for name in names if name.startswith(incomplete)]
    return found + list(_folders(incomplete, _RUN + _FINETUNED))


def _folders(incomplete: str, records: Sequence[str]) -> Iterator[str]:
    """Folders that hold one of the files, as they would be typed."""
    start, slash, _ = incomplete.rpartition("/")
    begin = Path(start or (slash and "/") or ".")
    found = set[Path]()
    try:
        for pattern in _PARTS:
            for record in records:
                for path in begin.glob(f"{pattern}/{record}"):
                    found.add(path.parent)
                    if len(found) == _MOST:
                        break
    except OSError:  # a folder that may not be read
        pass
    for path in sorted(found):
        if str(path).startswith(incomplete):
            yield str(path)


def _run_in(incomplete: str) -> Path | None:
    """The run whose folder begins what was typed."""
    path = Path(incomplete)
    places = [path, *path.parents] if incomplete else []
    return next((place for place in places[:4] if (place / layout.CONFIG_FILE).is_file()), None)
