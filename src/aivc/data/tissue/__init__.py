"""Tissue at the door: positions and their unit, sections, and who is whose neighbour."""
