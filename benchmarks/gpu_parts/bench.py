"""What the parts share: the two sides, the data, how long there is."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import util
from pathlib import Path
from typing import Any

import numpy as np
from synthetic import write_prepared

from electra_cli.corpus.shards.manifest import load_manifest
from electra_cli.corpus.shards.rows import ids_of, load_shard
from gpu_parts.sizes import Size, job_of
from gpu_parts.workers import Worker

_ROWS = 4096
_SCRIPT = Path(__file__).with_name("workers.py")


@dataclass(frozen=True)
class Effort:
    """How much is done of each part.

    Attributes:
      product: Edge of the matrices by which rates are measured.
      rounds: Windows of ours, each followed by one of theirs.
      window: Seconds of one.
      most_steps: Of one.
      command_seconds: That a command is to train.
      golden: Recorded cases.
      main: The first sizes, so many, are also profiled and run as commands.
      compiled: Arguments of torch.compile.
      patience: How often the time that a part has on a card.
    """

    product: int = 8192
    rounds: int = 5
    window: float = 1.0
    most_steps: int = 400
    command_seconds: float = 8.0
    golden: tuple[str, ...] = ("small_like", "base_like")
    main: int = 2
    compiled: tuple[tuple[str, str], ...] = ()
    patience: float = 1.0


DRY = Effort(512, 2, 0.2, 2, 1.0, ("small_like",), 1, (("backend", "aot_eager"),), 4.0)


class Bench:
    """The two sides and what they work on.

    Attributes:
      ours: The process with TensorFlow.
      theirs: The one with PyTorch.
      ahead: What that one may prepare while others work.

    Args:
      device: cpu or gpu.
      effort: How much is done.
      scratch: A folder for everything that need not stay.
      log: Hears what the processes say.
    """

    def __init__(self, device: str, effort: Effort, *, scratch: Path, log: Path) -> None:
        self.device, self.effort, self.scratch, self.log = device, effort, scratch, log
        self.ours = self._worker("ours", linked_cupti(scratch))
        self.theirs = self._worker("theirs", apart_from_tensorflow(os.environ))
        self.ahead: list[Size] = []
        self._prepared: dict[str, int] = {}  # the questions to PyTorch's side
        self._end = 0.0

    @property
    def precision(self) -> str:
        """In which both sides train."""
        return "bfloat16"

    @property
    def left(self) -> float:
        """Seconds that the part in progress still has."""
        return self._end - time.monotonic()

    def begin(self, seconds: float) -> None:
        """A part begins that may take so long."""
        self._end = time.monotonic() + seconds

    def end(self) -> None:
        """Ends all processes."""
        self.ours.end()
        self.theirs.end()

    def worker(self, role: str) -> Worker:
        """A process of its own."""
        return self._worker(role, dict(os.environ))

    def _worker(self, role: str, environment: dict[str, str]) -> Worker:
        command = [sys.executable, str(_SCRIPT), role, self.device]
        return Worker(command, environment=environment, log=self.log)

    def data(self, length: int) -> Path:
        """Prepared rows of a length, made when they are first asked for."""
        folder = self.scratch / f"rows-{length}"
        if not folder.is_dir():
            write_prepared(folder, length=length, rows=_ROWS, validation_rows=16)
        return folder

    def prepare_theirs(self, size: Size) -> int:
        """Has PyTorch's side prepare a size, unless it is at it or has just done it.

        Returns:
          The number of the question.
        """
        if not self.theirs.owes(self._prepared.get(size.name, 0)):
            manifest = load_manifest(self.data(size.length))
            shard = ids_of(load_shard(next(iter(manifest.paths_of("train")))), size.length)
            rows = self.scratch / f"{size.name}.npy"
            np.save(rows, np.asarray(shard[: size.batch]))  # [B, S]
            compiled = dict(self.effort.compiled)
            if size.graphs:
                compiled["mode"] = "reduce-overhead"
            config = size.config.replaced({"model.vocab_size": manifest.vocab.size})
            self._prepared[size.name] = self.theirs.send(
                "prepare",
                name=size.name,
                job=job_of(config),
                special=manifest.special_ids.model_dump(),
                rows=str(rows),
                precision=self.precision,
                compiled=compiled,
            )
        return self._prepared[size.name]

    def prepare_ours(self, size: Size) -> dict[str, Any]:
        """Has our side prepare a size."""
        found = self.ours.ask(
            "prepare",
            self.left,
            name=size.name,
            job=job_of(size.config),
            data=str(self.data(size.length)),
            precision=self.precision,
        )
        return dict(found)


def apart_from_tensorflow(environment: Any) -> dict[str, str]:
    """The environment without what was put there for a TensorFlow that lies in a folder.

    Its libraries of CUDA and protobuf are not those that PyTorch was built for.
    """
    found = dict(environment)
    spec = util.find_spec("tensorflow")
    places = list(spec.submodule_search_locations or []) if spec else []
    site = Path(places[0]).parent if places else None
    for name in ("PYTHONPATH", "LD_LIBRARY_PATH"):
        parts = [part for part in found.get(name, "").split(os.pathsep) if part]
        kept = [part for part in parts if site is None or not Path(part).is_relative_to(site)]
        if kept:
            found[name] = os.pathsep.join(kept)
        else:
            found.pop(name, None)
    found.pop("XLA_FLAGS", None)
    return found | {"USE_TF": "0"}


def linked_cupti(scratch: Path, roots: Sequence[str] | None = None) -> dict[str, str]:
    """The environment in which TensorFlow's profiler finds CUPTI, for want of its own a newer one.

    Args:
      scratch: Gets the link.
      roots: Where to look; by default the packages and CUDA's folders.
    """
    environment = dict(os.environ)
    paths = environment.get("LD_LIBRARY_PATH", "").split(os.pathsep)
    if any(Path(path, "libcupti.so.12").exists() for path in paths if path):
        return environment
    roots = (
        [*(p for p in sys.path if p), *map(str, Path("/usr/local").glob("cuda*"))]
        if roots is None
        else roots
    )
    patterns = (
        "nvidia/*/lib/libcupti.so.*",
        "extras/CUPTI/lib64/libcupti.so.*",
        "lib64/libcupti.so.*",
    )
    found = sorted(
        path for root in roots for pattern in patterns for path in Path(root).glob(pattern)
    )
    if not found:
        return environment
    own = [path for path in found if ".so.12" in path.name]
    links = scratch / "cupti"
    links.mkdir(exist_ok=True)
    link = links / "libcupti.so.12"
    link.unlink(missing_ok=True)
    link.symlink_to((own or found)[0])
    environment["LD_LIBRARY_PATH"] = os.pathsep.join([*(p for p in paths if p), str(links)])
    return environment
