"""Simple methods that every model has to beat."""
