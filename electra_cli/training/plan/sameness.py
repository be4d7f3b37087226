"""What has to be the same at all workers of a run before any of them begins."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

from electra_cli.config.schema import Root, leaf_fields
from electra_cli.corpus.shards.manifest import Manifest
from electra_cli.interop.source import CHECKPOINT
from electra_cli.runs.commit import file_sha256
from electra_cli.training.plan.initial import Initial
from electra_cli.training.plan.plans import DryPlan

# Where things lie and which devices are used is each machine's own.
_MAY_DIFFER = ("data.path", "runtime.device", "runtime.share_device")


def facts_of(plan: DryPlan, *, bindings: str, stop_on: Collection[str]) -> dict[str, Any]:
    """What a worker is about to do, in the groups in which it is compared.

    Args:
      plan: Its plan.
      bindings: The gin bindings in force.
      stop_on: Findings that are to end the run.
    """
    # Other data may have other sizes, which the configuration takes from it: it is told first.
    return (facts_of_data(plan.manifest) if plan.manifest else {}) | {
        "configuration": facts_of_config(plan.config),
        "command": {
            "last step": plan.stop,
            "--stop-on": sorted(stop_on),
            "gin bindings": bindings,
            "--init-from": sha256s_of(plan.initial) if plan.initial else {},
            "--from": plan.branch.record.state_sha256 if plan.branch else None,
            "generator.frozen": sha256s_of(plan.frozen) if plan.frozen else {},
            "--init-allow-missing": sorted(plan.initial.allow_missing) if plan.initial else [],
        },
    }


def facts_of_config(config: Root) -> dict[str, Any]:
    """Values by full key."""
    sections = config.model_dump()
    keys = ((key, *key.split(".")) for key in leaf_fields(type(config)) if key not in _MAY_DIFFER)
    return {key: sections[section][name] for key, section, name in keys}


def facts_of_data(manifest: Manifest) -> dict[str, Any]:
    """What tells prepared data from other data: its rows and how text became them."""
    shards = "".join(f"{one.file} {one.sha256}\n" for one in manifest.shards)
    return {
        "vocabulary": {"tokens": manifest.vocab.sha256, "tokenizer": manifest.tokenizer_sha256},
        "data": {"shards": hashlib.sha256(shards.encode()).hexdigest()},
    }


def sha256s_of(initial: Initial) -> Mapping[str, str]:
    """The checksums of the files that the first weights come from, by name."""
    return {file.name: file_sha256(file) for file in sorted(_files(initial))}


def _files(initial: Initial) -> Iterator[Path]:
    for network, place in initial.source.files.items():
        if network == CHECKPOINT:
            yield from place.parent.glob(f"{place.name}.*")
        else:
            yield from place.glob("*.safetensors")
