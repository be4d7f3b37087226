"""What all model cards are made of."""

from __future__ import annotations

from collections.abc import Sequence

from electra_cli.errors import counted
from electra_cli.modeling.architecture import EncoderSizes
from electra_cli.sources.exportable import Exportable

Rows = list[tuple[str, str]]

_HUB_FRONT_MATTER = """\
---
library_name: transformers
license: unknown
pipeline_tag: {task}
tags:
- electra
---

"""


def for_hub(task: str, page: str) -> str:
    """A page with what the Hub reads."""
    return _HUB_FRONT_MATTER.format(task=task) + page


def page(title: str, use: str, load: str, sections: Sequence[tuple[str, str]]) -> str:
    """A card.

    Args:
      title: Of the page.
      use: What it is, and what for.
      load: Python that loads it.
      sections: A title and a text each.
    """
    parts = [f"# {title}", use, f"## Load\n\n```python\n{load}\n```"]
    parts += [f"## {heading}\n\n{text}" for heading, text in sections]
    return "\n\n".join(parts) + "\n"


def network_facts(sizes: EncoderSizes) -> Rows:
    """What a network is."""
    layers, heads = counted(sizes.layers, "layer"), counted(sizes.heads, "attention head")
    shape = f"{layers}, {sizes.hidden} wide, {heads}"
    return [("network", shape)]


def tokenizer_facts(item: Exportable, sha256: str | None) -> Rows:
    """How text becomes ids.

    Args:
      item: The model.
      sha256: Of the vocabulary, where it is a run of ours.
    """
    fingerprint = f", SHA-256 {sha256[:12]}…" if sha256 else ""
    facts = [("vocabulary", f"{counted(item.config.model.vocab_size, 'word piece')}{fingerprint}")]
    if item.vocab is not None:
        facts += [
            ("text is lower-cased", "yes" if item.tokenizer.lowercase else "no"),
            ("accents are stripped", "yes" if item.tokenizer.strip_accents else "no"),
        ]
    return facts


def table(left: str, right: str, rows: Rows) -> str:
    """Two columns; a | in a value divides nothing."""
    lines = [f"| {left} | {right} |", "|---|---|"]
    lines += [f"| {_cell(a)} | {_cell(b)} |" for a, b in rows]
    return "\n".join(lines)


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())
