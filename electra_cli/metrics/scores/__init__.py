"""Scores of a task: what predictions are worth against gold, over seeds and over checkpoints."""
