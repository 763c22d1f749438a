"""Protocols of frozen benchmarks of images: mechanisms, doses, plates not trained on, and what cells would look like."""
