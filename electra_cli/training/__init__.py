"""Composes task, strategy and trainer from the configuration and runs them."""
