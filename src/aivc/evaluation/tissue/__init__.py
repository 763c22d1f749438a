"""Protocols of frozen benchmarks of tissue: what is known of a cell, a region or a donor from where cells lie."""
