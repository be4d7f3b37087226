"""Typed schema and loader of the configuration; knows no TensorFlow."""
