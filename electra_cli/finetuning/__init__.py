"""A downstream score for an encoder: labelled data, recipes, seeds, curves over checkpoints."""
