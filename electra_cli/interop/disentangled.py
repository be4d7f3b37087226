"""Weights whose embeddings are kept apart as those of a plain ELECTRA, and the other way round.

A run of `generator.sharing: disentangled` stores tables that both networks read and residuals that
the discriminator adds to them (`modeling.encoder.ResidualEmbeddings`). In a plain ELECTRA each
network has tables of its own, below electra/embeddings and generator/embeddings.
"""

from __future__ import annotations

from collections.abc import Iterable

from electra_cli.interop.reference import Arrays
from electra_cli.modeling.architecture import RESIDUAL

_SHARED, _GENERATOR, _OWN = (
    f"{network}/embeddings/" for network in ("electra", "generator", "discriminator")
)
_TABLES = ("word_embeddings", "position_embeddings", "token_type_embeddings")
_NORM = ("LayerNorm/gamma", "LayerNorm/beta")


def is_apart(names: Iterable[str]) -> bool:
    """Whether variables of these names keep what the discriminator adds apart."""
    return any(name.startswith(_OWN) for name in names)


def fitting(arrays: Arrays, names: Iterable[str]) -> Arrays:
    """Weights in the form of the model that they are to fill; what fits already stays as it is.

    Args:
      arrays: Weights under our names.
      names: Those of the model's variables.
    """
    here = is_apart(names)
    if here == is_apart(arrays):
        return arrays
    return _taken_apart(arrays) if here else _added_up(arrays)


def _added_up(arrays: Arrays) -> Arrays:
    """Both networks with tables of their own."""
    found = {name: array for name, array in arrays.items() if not name.startswith(_OWN)}
    for kind in _TABLES:
        shared, residual = arrays.get(_SHARED + kind), arrays.get(_OWN + kind + RESIDUAL)
        if shared is not None and residual is not None:
            found |= {_SHARED + kind: shared + residual, _GENERATOR + kind: shared}
    for kind in _NORM:
        shared, own = arrays.get(_SHARED + kind), arrays.get(_OWN + kind)
        if shared is not None and own is not None:
            found |= {_SHARED + kind: own, _GENERATOR + kind: shared}
    return found


def _taken_apart(arrays: Arrays) -> Arrays:
    """Shared tables and residuals, which are zero where the weights have one table for both."""
    found = dict(arrays)
    for kind in (*_TABLES, *_NORM):
        shared = arrays.get(_GENERATOR + kind)
        main = arrays.get(_SHARED + kind, shared)
        if main is None:
            continue
        if shared is None or shared.shape != main.shape:  # of one network, or of two widths
            shared = main
        found.pop(_GENERATOR + kind, None)
        is_table = kind in _TABLES
        own = {_OWN + kind + RESIDUAL: main - shared} if is_table else {_OWN + kind: main}
        found |= {_SHARED + kind: shared} | own
    return found
