"""Compares an export with the model."""
