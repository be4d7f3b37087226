"""Files in files: compression and archives."""
