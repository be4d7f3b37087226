"""Checkpoints: saved whole or not at all, which of them stay, and what one holds."""
