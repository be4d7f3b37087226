"""Makes a picture of what a terminal shows.

tmux new-session -d -x 96 -y 32 electra pretrain --preset tiny
tmux capture-pane -p -e | .venv/bin/python docs/terminal_picture.py "electra pretrain" FILE.svg
"""

from __future__ import annotations

import io
import re
import sys
from pathlib import Path

from rich._export_format import CONSOLE_SVG_FORMAT
from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

FONTS = "ui-monospace, Menlo, Consolas, 'DejaVu Sans Mono', monospace"


def picture(captured: str, title: str) -> str:
    """An SVG of rows with escape sequences; it loads no font, each reader's own has to do."""
    rows = [Text.from_ansi(row) for row in captured.rstrip("\n").split("\n")]
    width = max(cell_len(row.plain) for row in rows)
    console = Console(record=True, width=width, file=io.StringIO(), force_terminal=True)
    for row in rows:
        console.print(row, no_wrap=True, crop=False)
    plain = re.sub(r"@font-face \{\{.*?\}\}|<!--.*?-->", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL)
    drawn = console.export_svg(title=title, code_format=plain, unique_id="electra")
    drawn = re.sub(r"font-family: [^;]*;", f"font-family: {FONTS};", drawn)
    return "\n".join(line.rstrip() for line in drawn.splitlines() if line.strip()) + "\n"


if __name__ == "__main__":
    Path(sys.argv[2]).write_text(picture(sys.stdin.read(), sys.argv[1]), encoding="utf-8")
