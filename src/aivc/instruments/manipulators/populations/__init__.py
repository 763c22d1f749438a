"""Methods that move whole populations of cells."""
