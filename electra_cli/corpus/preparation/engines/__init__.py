"""Who prepares which slices; none of it changes a byte."""
