"""The folder of a run: commits, lock, changes, and where it goes on."""
