"""Documents and paragraphs that come more than once."""
