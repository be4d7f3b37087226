"""All that the doctor asks, one topic after the other."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from electra_cli.corpus.preparation.demo import default_cache_folder
from electra_cli.doctor import folders, machine, surroundings, trial
from electra_cli.doctor import versions as of_versions
from electra_cli.doctor.trial import Trial
from electra_cli.doctor.versions import Package
from electra_cli.files.redaction import redacted
from electra_cli.memory_limits import memory_limit
from electra_cli.training.devices import accelerator
from electra_cli.training.devices.check import Check, guarded
from electra_cli.training.devices.reasons import Note, check_accelerator

_ROOT = Path("/")


@dataclass(frozen=True)
class Examination:
    """What the doctor found.

    Attributes:
      checks: In the order in which they were made.
      packages: Versions of libraries.
      trial: What came of the trial; empty without one.
    """

    checks: tuple[Check, ...]
    packages: tuple[Package, ...]
    trial: Trial

    def those(self, state: str) -> list[Check]:
        """The checks with a state."""
        return [check for check in self.checks if check.state == state]

    def as_json(self) -> dict[str, Any]:
        """The object that `--json` prints."""
        return {
            "command": "doctor",
            "problems": len(self.those("problem")),
            "notes": len(self.those("note")),
            "checks": [asdict(check) for check in self.checks],
            "packages": [asdict(package) for package in self.packages],
            "trial": asdict(self.trial) | {"gpus": list(self.trial.gpus)},
        }


def examine(*, devices: bool, note: Note = lambda text: None) -> Examination:
    """Looks at this machine; whatever it holds, it is looked at to the end.

    Args:
      devices: Also start TensorFlow and train a few steps.
      note: Hears what is waited for.
    """
    checks: list[Check] = []
    packages: list[Package] = []
    tried: list[Trial] = []

    def versions() -> Iterator[Check]:
        tested = of_versions.list_of_tested()
        packages.extend(of_versions.packages_of(of_versions.required_packages(), tested))
        yield from of_versions.check_versions(
            packages,
            python=platform.python_version(),
            supported=of_versions.requires_python(),
        )

    def trial_run() -> Iterator[Check]:
        result, found = trial.run_trial()
        tried.append(result)
        yield from found
        yield from _unused(result, has_card)

    mounts = _text("proc/self/mountinfo")
    probes: list[tuple[str, Callable[[], Any]]] = [
        (of_versions.TOPIC, versions),
        (machine.TOPIC, _machine),
        (accelerator.TOPIC, partial(check_accelerator, note)),
        (folders.TOPIC, partial(_folders, mounts)),
        (surroundings.TOPIC, _surroundings),
    ]
    for topic, probe in probes:
        checks += guarded(topic, probe)
    has_card = any(check.name.startswith("GPU ") for check in checks)
    if devices:
        checks += guarded(trial.TOPIC, trial_run)
    return Examination(
        tuple(redacted_check(check) for check in checks),
        tuple(packages),
        tried[0] if tried else Trial(),
    )


def redacted_check(check: Check) -> Check:
    """The check without secrets, on one line."""
    found, advice = (" ".join(redacted(text).split()) for text in (check.found, check.advice))
    return replace(check, found=found, advice=advice)


def _machine() -> Iterator[Check]:
    yield Check(machine.TOPIC, "system", "ok", platform.platform())
    yield from machine.check_processor(_text("proc/cpuinfo"), platform.machine())
    quota = machine.core_quota(_ROOT)
    yield machine.check_cores(os.cpu_count() or 1, machine.allowed_cores(), quota)
    yield machine.check_memory(memory_limit(), machine.free_memory(_text("proc/meminfo")))


def _folders(mounts: str) -> Iterator[Check]:
    yield folders.check_runs(mounts)
    yield from folders.check_cache(default_cache_folder, mounts)
    yield folders.check_temporary(mounts)


def _surroundings() -> Iterator[Check]:
    encodings = {
        "stdout": getattr(sys.stdout, "encoding", None) or "closed",
        "stderr": getattr(sys.stderr, "encoding", None) or "closed",
        "names of files": sys.getfilesystemencoding(),
    }
    yield surroundings.check_encodings(encodings, os.environ)
    yield from surroundings.check_clusters(os.environ)
    yield from surroundings.check_variables(os.environ)


def _unused(result: Trial, has_card: bool) -> Iterator[Check]:
    """Says so where there is a card, and TensorFlow does not use it."""
    if has_card and result.tensorflow is not None and not result.gpus:
        yield replace(accelerator.UNUSED, topic=trial.TOPIC)


def _text(name: str) -> str:
    try:
        return (_ROOT / name).read_text("utf-8", "replace")
    except OSError:
        return ""
