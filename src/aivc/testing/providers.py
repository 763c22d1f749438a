"""The promises of a provider of molecular vectors."""

from collections.abc import Sequence

import numpy as np

from aivc.core.molecule import Molecule
from aivc.core.provider import Embedding, Provider
from aivc.testing.promises import close, expect, round_trip

_SAID = ("name", "version", "licence")


def check_provider(provider: Provider, molecules: Sequence[Molecule]) -> None:
    """Check every promise of a provider.

    Args:
        provider: Ready to be asked.
        molecules: At least three, of a kind it knows, one of them known to it.

    Raises:
        ContractError: A promise is broken.
    """
    name, listed = provider.name, list(molecules)
    expect(name, "available() is None where it can be asked", type(provider).available(), wanted=None)
    whole = provider.embed(listed)
    expect(name, "one row for each molecule", len(whole.values), wanted=len(listed))
    expect(name, "dim is the number of axes", whole.values.shape[1], wanted=provider.dim)
    expect(name, "it knows one of the molecules given", bool(whole.known.any()), wanted=True)
    expect(name, "zeros where nothing is known", bool((whole.values[~whole.known] == 0).all()), wanted=True)
    answer = [key for key in _SAID if not provider.provenance.get(key)]
    expect(name, f"provenance says {', '.join(_SAID)}", answer, wanted=[])
    _same(name, "the same question has the same answer", provider.embed(listed), whole)
    turned = provider.embed(listed[::-1])
    _same(name, "order changes nothing", _rows(turned, slice(None, None, -1)), whole)
    alone = [provider.embed([molecule]) for molecule in listed]
    together = Embedding(
        np.concatenate([each.values for each in alone]), np.concatenate([each.known for each in alone]), {}
    )
    _same(name, "asking one by one changes nothing", together, whole)
    foreign = Molecule("dna", "ACGT") if "compound" in provider.kinds else Molecule("compound", "ethanol")
    if foreign.kind not in provider.kinds:
        expect(name, "other kinds come back masked", bool(provider.embed([foreign]).known[0]), wanted=False)
    _same(name, "after save and load it gives the same answer", round_trip(provider).embed(listed), whole)


def _rows(embedding: Embedding, rows: slice) -> Embedding:
    return Embedding(embedding.values[rows], embedding.known[rows], embedding.provenance)


def _same(name: str, promise: str, got: Embedding, wanted: Embedding) -> None:
    expect(name, promise, got.known.tolist(), wanted=wanted.known.tolist())
    expect(name, promise, close(got.values, wanted.values))
