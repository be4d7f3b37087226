"""Where a cluster is found: one file for each kind of environment that describes one."""
