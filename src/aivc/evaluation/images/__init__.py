"""Protocols of frozen benchmarks of images: mechanisms, doses, plates not trained on, and images of other cells."""
