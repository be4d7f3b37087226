"""A run folder is looked at, locked and judged without TensorFlow."""

from __future__ import annotations

import subprocess
import sys

SCRIPT = """
import importlib, pkgutil, sys
from electra_cli import runs

names = [f"electra_cli.runs.{module.name}" for module in pkgutil.iter_modules(runs.__path__)]
plan = [f"electra_cli.training.plan.{name}" for name in ("preflight", "readiness", "begin")]
for name in [*names, *plan]:
    importlib.import_module(name)
heavy = {"tensorflow", "tf_keras", "official", "orbit"} & sys.modules.keys()
sys.exit(f"imported: {heavy}" if heavy or len(names) < 5 else 0)
"""


def test_no_tensorflow() -> None:
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
