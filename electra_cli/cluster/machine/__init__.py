"""What is true of one machine: its ports, its processes, and whom it reaches."""
