"""The typed configuration and its loader."""
