"""What a change of some cells does to their neighbours, and through them to a tissue."""
