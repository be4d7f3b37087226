"""From files to documents of text."""
