"""What there is to say of this machine's cards: all of it for the doctor, and the one reason why
TensorFlow has no GPU for whoever asked for one."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from importlib import metadata
from pathlib import Path

from electra_cli.training.devices import accelerator, cards, libraries
from electra_cli.training.devices.bounded import Answer, ask
from electra_cli.training.devices.check import Check
from electra_cli.training.devices.libraries import DRIVER, Library

Note = Callable[[str], object]

_ROOT = Path("/")
_LOADING_SECONDS = 60.0  # hundreds of megabytes, maybe over a network


def check_accelerator(note: Note = lambda text: None) -> Iterator[Check]:
    """Cards, driver, what hides them, CUDA's libraries and XLA's compiler.

    Args:
      note: Hears what is waited for.
    """
    seen = _look(note)
    yield from accelerator.check_cards(seen, os.environ)
    has_driver = accelerator.has_driver(seen)
    if has_driver:
        yield from accelerator.check_users(seen.listed, cards.users_of(cards.nvidia_smi))
    yield from _libraries(note, has_driver=has_driver)
    nvidia = [folder.parent for folder in libraries.package_folders()]
    roots = sorted({path for folder in nvidia for path in folder.parent.iterdir()})
    yield accelerator.check_compiler(roots, shutil.which("ptxas"), has_driver=has_driver)


def why_no_gpu() -> Check:
    """The check that says why TensorFlow finds no GPU, once it has found none."""
    seen = _look(lambda text: None)
    found = list(accelerator.check_cards(seen, os.environ))
    if not accelerator.has_driver(seen):
        return found[0]  # of the driver
    found.sort(key=lambda check: check.name != accelerator.HIDDEN)
    found += _libraries(lambda text: None, has_driver=True)
    wrong = (
        check
        for check in found
        if check.state == "problem" or (check.name == accelerator.HIDDEN and check.state == "note")
    )
    return next(wrong, accelerator.UNUSED)


def _look(note: Note) -> cards.Seen:
    slow = partial(note, f"waiting for nvidia-smi, up to {cards.SMI_SECONDS:.0f} s")
    return cards.look(_ROOT, partial(cards.nvidia_smi, slow=slow))


def _libraries(note: Note, *, has_driver: bool) -> Iterator[Check]:
    wanted = libraries.wanted_libraries()
    answer = _loaded(wanted, note, with_driver=has_driver)
    try:
        version = metadata.version("tensorflow")
    except metadata.PackageNotFoundError:
        version = ""
    yield from accelerator.check_libraries(
        wanted,
        libraries.results(answer.stdout),
        has_driver=has_driver,
        failure=answer.failure,
        version=version,
    )


def _loaded(wanted: Sequence[Library], note: Note, *, with_driver: bool) -> Answer:
    """Loads libraries in another process, which a damaged one may end."""
    files = [DRIVER] * with_driver + [library.file for library in wanted]
    command = [sys.executable, "-P", "-m", "electra_cli.training.devices.libraries", *files]
    waiting = f"waiting for CUDA's libraries to load, up to {_LOADING_SECONDS:.0f} s"
    return ask(command, seconds=_LOADING_SECONDS, slow=partial(note, waiting))
