"""How held-out rows are masked, whatever a run trains with, so that numbers of runs compare."""

MASK_PROBABILITY = 0.15
