"""The workers of a run: where they are, how they meet, and what they agree on. No TensorFlow."""
