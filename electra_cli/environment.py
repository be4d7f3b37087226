"""What must be known and done before TensorFlow is imported: quiet logs, the Keras that Model
Garden uses, the processor, how cards are used; and what children inherit.

Call `prepare_tensorflow` first in every function that imports TensorFlow or a module built on it.
"""

from __future__ import annotations

import ctypes
import logging
import os
import sys
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

from electra_cli.memory_limits import check_tensorflow_fits

# TensorFlow reads these once, while it is imported.
_VARIABLES = {
    "TF_CPP_MIN_LOG_LEVEL": "3",  # no notes about missing GPUs or CPU features
    "TF_USE_LEGACY_KERAS": "1",  # Model Garden 2.20 is written for tf_keras
    # The faster matrix products, also on processors for which TensorFlow leaves them off.
    "TF_ENABLE_ONEDNN_OPTS": "1",
    "GRPC_VERBOSITY": "ERROR",
    "ABSL_MIN_LOG_LEVEL": "3",
    # A card's memory is taken as it is needed, so that two processes can share the card.
    "TF_FORCE_GPU_ALLOW_GROWTH": "true",
    "CUDA_DEVICE_ORDER": "PCI_BUS_ID",  # gpu:0 is the one that nvidia-smi calls 0
}
# absl::SetMinLogLevel, as TensorFlow 2.20 has it.
_SET_LOG_LEVEL = "_ZN4absl12lts_2025012714SetMinLogLevelENS0_18LogSeverityAtLeastE"
_HIDES_CARDS = ("", "-1", "none", "void", "NoDevFiles")


def cpu_flags() -> set[str]:
    """What the processor can do, in the words of Linux; empty on other systems."""
    info = Path("/proc/cpuinfo")
    if not info.is_file():
        return set()
    lines = info.read_text(encoding="utf-8", errors="replace").splitlines()
    return next((set(line.split()) for line in lines if line.startswith("flags")), set())


def hides_cards(value: str) -> bool:
    """Whether a value of CUDA_VISIBLE_DEVICES, or of NVIDIA_VISIBLE_DEVICES, hides every card."""
    return value.strip() in _HIDES_CARDS


def may_have_card(environment: Mapping[str, str], devices: Path = Path("/dev")) -> bool:
    """Whether there may be an NVIDIA card for this process; nothing is started to find out.

    Args:
      environment: The variables.
      devices: The folder with the driver's files.
    """
    shown = environment.get("CUDA_VISIBLE_DEVICES")
    if shown is not None:
        return not hides_cards(shown)
    return any(devices.glob("nvidia[0-9]*")) or (devices / "dxg").exists()  # dxg: WSL's


def cache_folder() -> Path | None:
    """The user's cache folder for this program; it need not exist.

    None where neither XDG_CACHE_HOME nor HOME names one, and the system does not know the user.
    """
    base = os.environ.get("XDG_CACHE_HOME", "")
    if Path(base).is_absolute():
        return Path(base) / "electra"
    try:
        return Path.home() / ".cache" / "electra"
    except RuntimeError:
        return None


def prepare_tensorflow() -> None:
    """Sets the environment TensorFlow is imported in; values a user has set are kept.

    Raises:
      OutOfMemoryError: There is no room to import it.
    """
    check_tensorflow_fits()
    for name, value in _VARIABLES.items():
        os.environ.setdefault(name, value)
    if may_have_card(os.environ):
        _add_xla_flags()
    _hold_notes_back()
    try:
        Path.home()
    except RuntimeError:  # for a user without one Keras makes a folder called ~ where it runs
        os.environ.setdefault("KERAS_HOME", os.devnull)
    # TensorFlow 2.20 ships protobuf 5 code, which warns under every runtime of version 6.
    warnings.filterwarnings("ignore", message="Protobuf gencode version", category=UserWarning)
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    logging.getLogger("absl").setLevel(logging.ERROR)


def _hold_notes_back() -> None:
    """Has XLA obey TF_CPP_MIN_LOG_LEVEL, as TensorFlow does.

    It writes through Abseil, which reads no variable: notes at every start, and without end where a
    card is full.
    """
    spec = find_spec("tensorflow")
    with suppress(OSError, AttributeError, TypeError, ValueError):
        library = Path(spec.origin).parent / "libtensorflow_framework.so.2"  # type: ignore[union-attr,arg-type]
        set_level = ctypes.CDLL(str(library))[_SET_LOG_LEVEL]
        # What ends the process, 3, is always told.
        set_level(min(int(os.environ["TF_CPP_MIN_LOG_LEVEL"]), 3))


def _add_xla_flags() -> None:
    """Has XLA compile for cards so that a run twice is equal, and remember which kernels it chose.

    Choosing takes minutes, and goes by time: two starts that both choose may add up differently.
    """
    given = os.environ.get("XLA_FLAGS", "").strip()
    if given and not given.startswith("-"):
        return  # the name of a file with flags
    flags = {"--xla_gpu_exclude_nondeterministic_ops": "true"}
    if (folder := _autotune_folder()) is not None:
        flags["--xla_gpu_per_fusion_autotune_cache_dir"] = str(folder)
    more = [f"{name}={_quoted(value)}" for name, value in flags.items() if name not in given]
    os.environ["XLA_FLAGS"] = " ".join([given, *more]).strip()


def _autotune_folder() -> Path | None:
    """Where XLA keeps its choices, which must be there; None where none can be kept.

    XLA leaves it to users to keep those of its versions apart.
    """
    cache = cache_folder()
    if cache is None:
        return None
    try:
        folder = cache / f"autotune-{metadata.version('tensorflow')}"
        folder.mkdir(parents=True, exist_ok=True)
    except (OSError, metadata.PackageNotFoundError):
        return None
    return folder if os.access(folder, os.W_OK | os.X_OK) else None


def _quoted(value: str) -> str:
    """A value as XLA reads it out of a variable."""
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"' if escaped != value or len(value.split()) > 1 else value


def prepare_torch() -> None:
    """Keeps Triton out of this process; call it before torch is imported beside TensorFlow.

    Each carries an LLVM under the same names, and importing Triton after TensorFlow ends the
    process with SIGSEGV. A torch built for GPUs imports it unasked; what is compared
    here runs on the CPU and compiles nothing.
    """
    sys.modules.setdefault("triton", None)  # type: ignore[arg-type]  # its import now fails


@contextmanager
def shielded_children(**variables: str) -> Iterator[None]:
    """Keeps Pythons that are started in the block from loading modules of the working directory.

    A types.py there would be run in the place of Python's own. What PYTHONPATH names is obeyed.

    Args:
      variables: Other variables that they see.
    """
    variables["PYTHONSAFEPATH"] = "1"
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
