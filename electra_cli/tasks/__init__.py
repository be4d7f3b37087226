"""Where an objective meets Model Garden's training machinery."""
