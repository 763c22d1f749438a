"""How the tables of the hub's index came to be, step by step."""
