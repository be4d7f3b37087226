"""Embeddings, encoder, heads, losses, fused kernels, and the formulas of a model's size."""
