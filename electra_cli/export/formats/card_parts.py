"""What all model cards are made of."""

from __future__ import annotations

from collections.abc import Sequence

from electra_cli.corpus.wordpiece.identity import KIND_NAMES
from electra_cli.errors import counted
from electra_cli.export.formats.given_tokenizer import adds_special, template_lines
from electra_cli.modeling.architecture import EncoderSizes
from electra_cli.sources.exportable import Exportable

NEEDS_TEXT = (
    "Loading it needs `import tensorflow_text` first (package `tensorflow-text`), which registers "
    "the operations of the tokenizer."
)

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
    size, tokenizer = item.config.model.vocab_size, item.text_ids
    if tokenizer and item.tokenizer is None:
        kind = f"{KIND_NAMES[tokenizer.kind]}, `{tokenizer.file}` byte for byte as it was given"
        return [("vocabulary", f"{counted(size, 'token')}{fingerprint}"), ("tokenizer", kind)]
    facts = [("vocabulary", f"{counted(size, 'word piece')}{fingerprint}")]
    if item.tokenizer and tokenizer:
        facts += [
            ("text is lower-cased", "yes" if item.tokenizer.lowercase else "no"),
            ("accents are stripped", "yes" if item.tokenizer.strip_accents else "no"),
        ]
    return facts


def tokenizer_code(item: Exportable, folder: str, *, templates: bool = True) -> str:
    """Python that loads the tokenizer as `tokenizer`.

    Args:
      item: The model.
      folder: What stands for its folder.
      templates: Whether it is to make rows as those of the training.
    """
    load = f'tokenizer = AutoTokenizer.from_pretrained("{folder}")'
    tokenizer = item.text_ids
    if tokenizer is None or item.tokenizer or not templates or adds_special(tokenizer):
        return load
    return (
        f"from tokenizers.processors import TemplateProcessing\n{load}\n{template_lines(tokenizer)}"
    )


def no_text(item: Exportable) -> str:
    """Why a SavedModel takes ids alone."""
    if item.vocab is None:
        return "It came without a vocabulary, so there is no signature for text."
    return (
        "There is no signature for text: TensorFlow has no such tokenizer within a graph. The ids "
        f"are those of the library tokenizers and `{item.vocab.name}`, which lies beside the "
        "model, with "
        f"{shown_token(item, 'cls')} (id {item.special_ids.cls}) before the first text, "
        f"{shown_token(item, 'sep')} (id {item.special_ids.sep}) behind each, and padding "
        f"{item.special_ids.pad}."
    )


def ids_code(item: Exportable) -> str:
    """Python that loads a SavedModel and gives it ids."""
    ids = item.special_ids
    some = ids.mask if ids.unk is None else ids.unk
    return (
        "import tensorflow as tf\n"
        'model = tf.saved_model.load("FOLDER")\n'
        f"ids = tf.constant([[{ids.cls}, {some}, {ids.sep}, {some}, {ids.sep}]])\n"
        "segments = tf.constant([[0, 0, 0, 1, 1]])\n"
        'outputs = model.signatures["serving_default"](\n'
        "    input_ids=ids, input_mask=tf.ones_like(ids), segment_ids=segments\n"
        ")"
    )


def shown_token(item: Exportable, role: str) -> str:
    """How a special token is written: mask, cls, ….

    Without a tokenizer it is as in the vocabularies of this project.
    """
    tokenizer = item.text_ids
    number = getattr(item.special_ids, role)
    return f"[{role.upper()}]" if tokenizer is None else tokenizer.tokens[number]


def table(left: str, right: str, rows: Rows) -> str:
    """Two columns; a | in a value divides nothing."""
    lines = [f"| {left} | {right} |", "|---|---|"]
    lines += [f"| {_cell(a)} | {_cell(b)} |" for a, b in rows]
    return "\n".join(lines)


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())
