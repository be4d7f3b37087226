"""The style of all pictures, in a process that has not imported matplotlib yet."""

from __future__ import annotations

import os
import subprocess
import sys


def test_the_backend_of_a_notebook_is_not_needed() -> None:
    code = "from electra_cli.report.plots.style import style\nwith style(): pass"
    environment = {**os.environ, "MPLBACKEND": "module://inline_backend_of_a_notebook"}
    subprocess.run([sys.executable, "-c", code], env=environment, check=True)
