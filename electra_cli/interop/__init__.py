"""Name maps between our variables and other formats."""
