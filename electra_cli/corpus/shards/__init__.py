"""What is prepared: rows, the manifest, and how both are checked."""
