"""Whether a split, or a fitted part, gives away what is tested."""
