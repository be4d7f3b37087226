"""Corpus-level metrics: what is aggregated over a validation set and how it is reduced."""
