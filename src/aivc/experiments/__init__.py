"""In-silico experiments: fit a virtual cell, screen it, search it, and propose what to test next."""
