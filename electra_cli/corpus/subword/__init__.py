"""Tokenizers of any kind behind one interface: our WordPiece, and the library for all others."""
