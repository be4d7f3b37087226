"""The name that was probably meant: one way for options, keys, presets, metrics and choices."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from electra_cli.errors import listed

_MOST = 20  # names in a hint
# What other tools call it; likeness of letters does not find these.
_ELSEWHERE = {
    "cuda": "gpu",
    "fp16": "float16",
    "half": "float16",
    "bf16": "bfloat16",
    "fp32": "float32",
    "hf": "huggingface",
    "transformers": "huggingface",
    "wwm": "whole-word",
    "lr": "learning-rate",
    "output": "model-dir",
    "output-dir": "model-dir",
}


def nearest(word: str, names: Iterable[str]) -> str | None:
    """Returns the name that a word most likely stands for; upper case, "-" and "_" do not count.

    Args:
      word: What was given.
      names: What there is.

    Returns:
      One of the names, or None if none is like it.
    """
    plain = {_plain(name): name for name in names}
    word = _plain(word)
    elsewhere = _ELSEWHERE.get(word)
    if elsewhere in plain:
        return plain[elsewhere]
    near = difflib.get_close_matches(word, plain, n=1)
    return plain[near[0]] if near else None


def did_you_mean(word: str, names: Iterable[str], *, form: str = "{}") -> str:
    """Returns the hint for a word that is none of the names: the nearest one, or all of them.

    Args:
      word: What was given.
      names: What there is.
      form: What to type, with {} for the name, such as "--format {}".
    """
    names = list(names)
    near = nearest(word, names) or (names[0] if len(names) == 1 else None)
    if near is not None:
        return f"did you mean {form.format(near)}?"
    return f"{form.format('NAME')}: choose one of {listed(names, _MOST)}".removeprefix("NAME: ")


def _plain(word: str) -> str:
    return word.strip().lower().replace("_", "-")
