"""Named findings over the history of a run: what is wrong, what it means, what to try."""
