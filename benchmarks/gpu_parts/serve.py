"""Starts a process that is asked: serve.py ROLE DEVICE, of which ROLE is a module beside this file.

It imports nothing but what the role needs.
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

sys.path[0] = str(Path(__file__).parents[1])

from gpu_parts.workers import serve  # noqa: E402

if __name__ == "__main__":
    role, device = sys.argv[1:]
    serve(lambda: dict(importlib.import_module(f"gpu_parts.{role}").start(device)))
