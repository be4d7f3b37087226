"""From text to a prepared folder."""
