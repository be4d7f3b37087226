"""The benchmarks are scripts, which find each other beside themselves."""

from __future__ import annotations

import sys

from tests.places import ROOT

sys.path.append(str(ROOT / "benchmarks"))
