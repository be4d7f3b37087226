"""The order of rows, from shards to batches, dynamic masking."""
