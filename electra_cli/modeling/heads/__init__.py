"""Heads of tasks that an encoder is fine-tuned for."""
