"""Molecules by name, with their sequences and what was measured of them."""
