"""Decoders of images: what another channel, condition or time would look like."""
