"""What TensorFlow remembers of graphs that nobody needs any more."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from tensorflow.python.framework import ops

_PREFIX = "CustomGradient-"  # of the names that TensorFlow makes up, each once in a process


@contextmanager
def gradients_forgotten() -> Iterator[None]:
    """Forgets at its end the gradients of what was traced within it.

    Each call of a `tf.custom_gradient` in a graph is registered under a name of its own for as long
    as the process lives, and with it the graph and the variables that it reads: the whole model.
    What was traced within goes on to run, and has no new gradients. It is a cycle of objects, which
    the next `gc.collect` after the last use takes away.
    """
    registered = ops.gradient_registry._registry
    before = set(registered)
    try:
        yield
    finally:
        for name in [name for name in registered if name.startswith(_PREFIX)]:
            if name not in before:
                del registered[name]
