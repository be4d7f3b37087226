"""The reference's optimizer and schedule."""
