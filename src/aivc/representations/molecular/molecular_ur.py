"""Providers → one molecular UR: which providers can be used here, and the joining of those that can."""

from collections.abc import Mapping

from aivc.core.provider import Provider
from aivc.data.molecules.blocks import NAME, made_from, molecular_ur, refuse_seen

__all__ = ["NAME", "available", "made_from", "molecular_ur", "refuse_seen"]


def available(providers: Mapping[str, type[Provider]]) -> dict[str, str | None]:
    """For each provider, None where it can be used here, otherwise what is missing and how to get it."""
    return {name: provider.available() for name, provider in providers.items()}
