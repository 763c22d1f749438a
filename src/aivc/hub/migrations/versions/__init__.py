"""One module for each step of the tables of the hub's index."""
