"""From text to shards of rows."""
