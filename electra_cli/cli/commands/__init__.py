"""The commands, a file each; app.py has the list."""
