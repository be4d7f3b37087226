"""Which models, at which lengths and batches."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

from electra_cli.config.load import load_config, parse_set
from electra_cli.config.schema import Config


@dataclass(frozen=True)
class Size:
    """One of the sizes that are measured.

    Attributes:
      preset: Names the model.
      length: Tokens a row.
      batch: Rows of a step.
      settings: Other keys, KEY=VALUE.
      graphs: PyTorch replays CUDA graphs, so that launching kernels costs it nothing.
    """

    preset: str
    length: int
    batch: int
    settings: tuple[str, ...] = ()
    graphs: bool = False

    @property
    def name(self) -> str:
        """Such as small-128x128: preset, batch, length."""
        name = f"{self.preset}-{self.batch}x{self.length}"
        return f"{name}-graphs" if self.graphs else name

    @property
    def overrides(self) -> list[str]:
        """All keys that differ from the preset's, KEY=VALUE."""
        own = [f"data.sequence_length={self.length}", f"train.batch_size={self.batch}"]
        return [*own, *self.settings]

    @property
    def config(self) -> Config:
        """The configuration."""
        overrides = [parse_set(text) for text in self.overrides]
        return load_config(preset=self.preset, environment=os.environ, overrides=overrides).config


def job_of(config: Config) -> dict[str, Any]:
    """A configuration as JSON, with what follows from it: all that PyTorch's side knows."""
    return config.model_dump() | {
        "generator_sizes": list(config.generator_sizes),
        "max_predictions": config.max_predictions,
    }


# With dropout, as the others have it.
_DRY = ("model.hidden_dropout=0.1", "model.attention_dropout=0.1", "model.num_layers=1")

# The first two are those that are compared, profiled and run as a command.
ON_A_CARD = (
    Size("small", 128, 128),
    Size("base", 512, 64),
    Size("small", 128, 1024),
    Size("base", 512, 256),
    Size("large", 512, 32),
    Size("small", 128, 512),
    Size("small", 128, 128, graphs=True),
    Size("base", 512, 128),
    Size("base", 512, 32),
    Size("small", 128, 256),
)
DRY = (Size("tiny", 32, 8, _DRY), Size("tiny", 64, 4, _DRY))

# Of the runs that have to be equal: small, with everything that a step has.
EQUAL = Size("tiny", 32, 8, _DRY)
