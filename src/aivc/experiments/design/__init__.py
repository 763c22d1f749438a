"""What to measure next: posteriors of candidates, rules that rank them, and batches within cost and plate."""
