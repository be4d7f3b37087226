"""What is measured: sums over a whole validation set, and how they are reduced."""
