"""Tables: each row is a text, or two, with a label or a number."""
