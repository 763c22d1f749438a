"""How methods are evaluated: questions, predictions, panels and output."""
