"""Wrappers that make any part say how sure it is."""
