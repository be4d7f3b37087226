"""Runs a checkpoint over held-out data."""
