"""Tasks in the sense of Model Garden."""
