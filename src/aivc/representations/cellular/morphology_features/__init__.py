"""Measures cells in images, under the names that CellProfiler's users know, many crops at once."""
