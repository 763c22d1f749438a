"""Images of cells: opened where they lie, declared in a schema, and read block by block."""
