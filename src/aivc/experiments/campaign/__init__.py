"""Campaigns of many rounds: propose, measure, bring the answers in, and propose again, on a record that only grows."""
