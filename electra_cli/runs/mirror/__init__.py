"""A run folder's copy in an object store: written while the run goes, and gone on from."""
