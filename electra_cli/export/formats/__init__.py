"""What a model is exported to."""
