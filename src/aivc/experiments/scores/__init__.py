"""What a virtual screen ranks by: scores as objects, and as text."""
