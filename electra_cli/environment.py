"""What must be known and done before TensorFlow is imported: quiet logs, the Keras that Model
Garden uses, the processor; and what children inherit.

Call `prepare_tensorflow` first in every function that imports TensorFlow or a module built on it.
"""

from __future__ import annotations

import logging
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
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
}


def cpu_flags() -> set[str]:
    """What the processor can do, in the words of Linux; empty on other systems."""
    info = Path("/proc/cpuinfo")
    if not info.is_file():
        return set()
    lines = info.read_text(encoding="utf-8", errors="replace").splitlines()
    return next((set(line.split()) for line in lines if line.startswith("flags")), set())


def prepare_tensorflow() -> None:
    """Sets the environment TensorFlow is imported in; values a user has set are kept.

    Raises:
      OutOfMemoryError: There is no room to import it.
    """
    check_tensorflow_fits()
    for name, value in _VARIABLES.items():
        os.environ.setdefault(name, value)
    try:
        Path.home()
    except RuntimeError:  # for a user without one Keras makes a folder called ~ where it runs
        os.environ.setdefault("KERAS_HOME", os.devnull)
    # TensorFlow 2.20 ships protobuf 5 code, which warns under every runtime of version 6.
    warnings.filterwarnings("ignore", message="Protobuf gencode version", category=UserWarning)
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    logging.getLogger("absl").setLevel(logging.ERROR)


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
