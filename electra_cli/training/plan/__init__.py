"""What is checked and computed before a run begins."""
