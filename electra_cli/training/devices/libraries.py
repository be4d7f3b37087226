"""Which of CUDA's libraries can be loaded: as TensorFlow would, and without it.

TensorFlow registers no GPU unless all of `Library.needed` load, and says of the others only that
something is missing. Which versions it wants follows from its own package: the libraries of
nvidia-cufft-cu12 11.* are called libcufft.so.11.
"""

from __future__ import annotations

import ctypes
import json
import re
import sys
import sysconfig
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement

DRIVER = "libcuda.so.1"

# The libraries of each package: those without which there is no GPU, and what else needs them.
_NEEDED = {
    "nvidia-cuda-runtime": ("cudart",),
    "nvidia-cublas": ("cublas", "cublasLt"),
    "nvidia-cufft": ("cufft",),
    "nvidia-cusolver": ("cusolver",),
    "nvidia-cusparse": ("cusparse",),
    "nvidia-cudnn": ("cudnn",),
}
_ELSE = {
    "nvidia-nccl": ("nccl",),
    "nvidia-cuda-cupti": ("cupti",),
}
USES = {"nccl": "several GPUs need it", "cupti": "only the profiler needs it"}
# Names of CUDA's results, for what users meet; the driver's API documents them all.
_CU_INIT = {
    3: "not initialized: the driver is shutting down",
    34: "the driver is a stub that only linkers use",
    100: "no device that CUDA can use",
    101: "a device that is not valid",
    304: "the system does not let this process have the device",
    802: "the system is not ready yet: the fabric manager is not running",
    803: "the driver of this process and that of the kernel have different versions",
    804: "this card does not support the driver's forward compatibility",
    999: "unknown, as after a card was lost or the machine slept",
}


@dataclass(frozen=True)
class Library:
    """One that TensorFlow looks for.

    Attributes:
      file: Its name, such as libcudnn.so.9.
      package: The package that brings it, as pip takes it; empty for the driver's.
      needed: Without it there is no GPU at all.
    """

    file: str
    package: str
    needed: bool = True


@dataclass(frozen=True)
class Loaded:
    """What loading one came to.

    Attributes:
      path: Where it was found; its bare name if the system's loader found it.
      error: Why it cannot be loaded; empty if it can.
    """

    path: str
    error: str = ""


def wanted_libraries(distribution: str = "tensorflow") -> list[Library]:
    """The libraries of CUDA that this TensorFlow loads; none of a build for CPUs.

    Empty too where the package is not there, or names none.
    """
    try:
        lines = metadata.requires(distribution) or []
    except metadata.PackageNotFoundError:
        return []
    return libraries_of(lines)


def libraries_of(requirements: Sequence[str]) -> list[Library]:
    """The libraries that the requirements of the extra and-cuda bring.

    Args:
      requirements: Lines such as "nvidia-cufft-cu12<12.0,>=11.2; extra == 'and-cuda'".
    """
    found = []
    for line in requirements:
        one = Requirement(line)
        if one.marker is None or not one.marker.evaluate({"extra": "and-cuda"}):
            continue
        name = re.sub(r"-cu\d+$", "", one.name)
        least = [spec.version for spec in one.specifier if spec.operator in (">=", "==", "~=")]
        if not least:
            continue
        major = least[0].partition(".")[0]
        for group, needed in ((_NEEDED, True), (_ELSE, False)):
            found += [
                Library(f"lib{library}.so.{major}", f"{one.name}{one.specifier}", needed)
                for library in group.get(name, ())
            ]
    return found


def package_folders() -> list[Path]:
    """Where packages put such libraries; TensorFlow looks there after LD_LIBRARY_PATH."""
    roots = dict.fromkeys(Path(sysconfig.get_path(name)) for name in ("purelib", "platlib"))
    return [folder for root in roots for folder in sorted(root.glob("nvidia/*/lib"))]


def load(file: str, folders: Sequence[Path]) -> Loaded:
    """Loads a library as TensorFlow does: as the system finds it, else out of packages."""
    error = _open(file)
    if not error:
        return Loaded(file)
    for path in (folder / file for folder in folders):
        if path.is_file():
            return Loaded(str(path), _open(str(path)))
    return Loaded(file, error)


def _open(name: str) -> str:
    """Loads a library and returns what went wrong; empty for nothing."""
    try:
        ctypes.CDLL(name)
    except OSError as error:
        return str(error)
    return ""


def start_driver() -> str:
    """Starts the driver in this process, and returns why it does not; empty if it does."""
    try:
        code = ctypes.CDLL(DRIVER).cuInit(0)
    except (OSError, AttributeError) as error:
        return str(error)
    return driver_result(code)


def driver_result(code: int) -> str:
    """What a result of the driver's start means; empty for success."""
    return "" if code == 0 else f"error {code}: {_CU_INIT.get(code, 'see the CUDA driver API')}"


def results(output: str) -> dict[str, Loaded]:
    """Reads what `main` has printed, up to where it ended; by the name of the library."""
    found = {}
    for line in output.splitlines():
        with suppress(ValueError, KeyError, TypeError):
            told = json.loads(line)
            found[told["file"]] = Loaded(told["path"], told["error"])
    return found


def _attempts(files: Sequence[str]) -> Iterator[dict[str, str]]:
    folders = package_folders()
    for file in files:
        if file == DRIVER:
            yield {"file": file, "path": file, "error": start_driver()}
        else:
            loaded = load(file, folders)
            yield {"file": file, "path": loaded.path, "error": loaded.error}


def main() -> None:
    """Loads the libraries that are named and prints a line for each: damaged ones end a process."""
    for attempt in _attempts(sys.argv[1:]):
        sys.stdout.write(json.dumps(attempt) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
