"""Devices, their memory, and the strategy over them."""
