"""What a shell offers for the values of options; nothing here imports TensorFlow."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import get_args

from electra_cli.config.presets import available_presets
from electra_cli.config.schema import Network, Precision, leaf_fields
from electra_cli.objectives import all_objectives, metrics_of

_DEVICES = ("auto", "cpu", "cpu:2", "gpu", "gpu:0", "gpu:0,1", "mirrored", "multi-worker", "tpu")

Complete = Callable[[str], list[str]]


def _one_of(values: Callable[[], Iterable[str]]) -> Complete:
    def complete(incomplete: str) -> list[str]:
        return [value for value in values() if value.startswith(incomplete)]

    return complete


def _settings() -> Iterator[str]:
    """KEY= of everything, and KEY=VALUE where the schema lists the values."""
    for key, field in leaf_fields().items():
        yield f"{key}="
        allowed = get_args(field.annotation) or (field.annotation,)
        words = ("true", "false") if bool in allowed else allowed
        yield from (f"{key}={word}" for word in words if isinstance(word, str))


presets = _one_of(available_presets)
devices = _one_of(lambda: _DEVICES)
precisions = _one_of(lambda: get_args(Precision))
networks = _one_of(lambda: get_args(Network))
keys = _one_of(leaf_fields)
settings = _one_of(_settings)
limits = _one_of(lambda: (f"{name}=" for name in metrics_of(all_objectives(), detail=True)))
