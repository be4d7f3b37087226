"""Embeddings, encoder, heads, the joint ELECTRA model, losses, and the formulas of its size."""
