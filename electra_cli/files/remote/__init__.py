"""Object stores: what lies under a URL, read and written with patience."""
