"""Virtual instruments: what can be asked of a representation."""
