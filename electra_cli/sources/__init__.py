"""Models on their way out of checkpoints: what is exported, and what is fine-tuned."""
