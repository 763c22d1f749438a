"""Every score, as data: formula, direction, bounds and source."""
