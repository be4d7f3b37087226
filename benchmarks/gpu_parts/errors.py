"""How far numbers are apart."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

# Of step 0 of a recorded case, by our names and by those that they were recorded under.
OUTPUTS = {
    "masked_lm_logits": "mlm_logits",
    "disc_probabilities": "disc_probs",
    "disc_sequence_output": "disc_sequence_output",
}


def errors_of_outputs(
    outputs: Mapping[str, Array], expected: Mapping[str, Array]
) -> dict[str, float]:
    """Relative errors of `OUTPUTS`.

    Args:
      outputs: The arrays.
      expected: What was recorded, and as `used` [B, M] the masked slots that count.
    """
    errors = {}
    for name in OUTPUTS:
        found, right = outputs[name], expected[name]
        if name == "masked_lm_logits":
            found, right = found[expected["used"]], right[expected["used"]]  # [N, V]
        errors[name] = relative(found, right)
    return errors


def relative(found: Array, expected: Array) -> float:
    """Norm of the difference over the norm of what is expected."""
    return float(np.linalg.norm(found - expected) / np.linalg.norm(expected))
