"""Writes a checkpoint in formats that other tools read."""
