"""The loop of training and everything periodic in it."""
