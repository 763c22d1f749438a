"""Protocols of frozen benchmarks of images: what profiles of treated cells say of mechanisms and of doses."""
