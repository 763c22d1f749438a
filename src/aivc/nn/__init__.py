"""Torch blocks without biology, shared by every model that is trained by gradients."""
