"""Pictures of results, for people; no TensorFlow."""
