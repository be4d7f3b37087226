"""Writes a checkpoint in the formats people fine-tune from."""
