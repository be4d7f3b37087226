"""Where an exported model comes from."""
