"""Features: from labelled examples to rows of ids, and from outputs to answers."""
