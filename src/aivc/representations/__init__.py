"""Measurement → UR: the universal representation, one room per physical scale."""
