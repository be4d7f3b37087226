"""How much slower a variable of a fine-tuned model learns than the head above it."""

from __future__ import annotations

import re

from electra_cli.config.finetune import LayerDecay

_LAYER = re.compile(r"electra/encoder/layer_(\d+)/")


def rate_factor(name: str, *, layers: int, factor: float, rule: LayerDecay) -> float:
    """The learning rate of a variable as a share of the head's.

    Of n layers, layer i (from 0) is n - i below the head, and embeddings and their projection are
    n + 1 below it; that many times the paper's rule multiplies with the factor. The reference's
    (model/optimization.py, `_get_layer_lrs`) does it once more for all that is below the head,
    since it counts the head from a layer further up.

    Args:
      name: Of a variable of a `TaskModel`.
      layers: n.
      factor: Rate of a layer as a share of the layer above.
      rule: Of the configuration.

    Raises:
      ValueError: The name is of no such variable.
    """
    layer = _LAYER.match(name)
    if name.startswith("task_head/"):
        below = 0
    elif layer is not None:
        below = layers - int(layer[1])
    elif name.startswith("electra/embeddings"):
        below = layers + 1
    else:
        raise ValueError(f"{name} is no variable of an encoder or of a task's head")
    if rule == "none":
        return 1.0
    return factor ** (below + 1 if below and rule == "reference" else below)
