"""Protocols of frozen benchmarks of time: what cells look like at times left out, and what clones become."""
