"""The pages people read, and the parts of them that tests look at."""

from __future__ import annotations

import re
import runpy
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.places import ROOT

DOCS = ROOT / "docs"

_BLOCK = re.compile(r"^```(?:console|bash|sh)\n(.*?)^```", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\]\(([^)\s]+)\)")


def generator() -> dict[str, Any]:
    """The names that docs/generate.py defines."""
    return runpy.run_path(str(DOCS / "generate.py"))


def all_pages() -> list[Path]:
    """README and its like, and everything below docs/."""
    return [*sorted(ROOT.glob("*.md")), *sorted(DOCS.rglob("*.md"))]


def relative_links(page: Path) -> list[str]:
    """Targets of links that do not lead out of the repository, without their anchors."""
    targets = (target.partition("#")[0] for target in _LINK.findall(page.read_text("utf-8")))
    return [target for target in targets if target and not target.startswith(("http", "mailto:"))]


def electra_commands(page: Path) -> Iterator[list[str]]:
    """The arguments of every `electra ...` line in the page's shell blocks; $VARIABLES are 1.

    Where the output goes is none of them.
    """
    for block in _BLOCK.findall(page.read_text("utf-8")):
        for line in block.replace("\\\n", " ").splitlines():
            command = re.split(r" [>|] ", line.removeprefix("$ "))[0]
            words = shlex.split(command, comments=True)
            while words and (words[0] == "srun" or re.fullmatch(r"[A-Z_]+=.*", words[0])):
                del words[0]
            if words and words[0] == "electra":
                yield [re.sub(r"\$[A-Z_]+", "1", word) for word in words[1:]]
