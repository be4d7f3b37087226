"""The keys of the schema as users write them: the nearest one, and what to type for it."""

from __future__ import annotations

import difflib

from electra_cli.config.schema import Config, Root, leaf_fields, sections


def nearest_key(key: str, root: type[Root] = Config) -> str | None:
    """Returns the key of the schema that an unknown key most likely stands for.

    The last part decides, so that both `learning_rate` and `train.learning_rate` lead to
    `optimizer.learning_rate`; the whole key breaks ties.
    """
    name = key.lower().rpartition(".")[2]

    def likeness(known: str) -> tuple[float, float]:
        of_name = difflib.SequenceMatcher(None, name, known.rpartition(".")[2]).ratio()
        return of_name, difflib.SequenceMatcher(None, key.lower(), known).ratio()

    best = max(leaf_fields(root), key=likeness)
    return best if max(likeness(best)) >= 0.6 else None


def key_named(name: str) -> str | None:
    """Returns the key with that name, whatever its section: optimizer.beta_1 for beta_1."""
    return next((key for key in leaf_fields() if key.partition(".")[2] == name), None)


def hint_for(key: str, root: type[Root] = Config) -> str:
    """Returns the hint for an unknown key: the nearest one, or what there is."""
    near = nearest_key(key, root)
    if near:
        return f"did you mean {near}?"
    section = key.partition(".")[0]
    if section in sections(root):
        return f"keys of {section}: {', '.join(sections(root)[section].model_fields)}"
    return f"keys are written section.key; sections: {', '.join(sections(root))}"
