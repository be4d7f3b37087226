"""Files of any kind: written whole or not at all, locked, free of secrets."""
