"""Starting the workers of a cluster: texts for batch systems, and processes on this machine."""
