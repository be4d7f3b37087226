"""Example order, shards to batches, dynamic masking."""
