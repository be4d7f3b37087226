"""What values mean beyond their type, and which of them contradict each other."""
