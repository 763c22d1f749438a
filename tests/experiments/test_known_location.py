"""A picture agrees with what is annotated, differs from it, or leaves it open; chance stands beside it."""

from types import MappingProxyType

import numpy as np
import pytest

from aivc.core.errors import DataError, UnknownNameError
from aivc.core.provider import Embedding
from aivc.data.synthetic_locations import PLACES
from aivc.experiments import known_location
from aivc.experiments.known_location import SHOWN_AS, agreement

AXES = ["Cytoplasm", "Nucleus", "Plasma membrane"]
GENES = {"NUC": [0, 1, 0], "BOTH": [0.7, 0.7, 0], "CYT": [1, 0, 0], "MEM": [0, 0, 1]}


class Known:
    provenance = MappingProxyType({"axes": AXES})

    @classmethod
    def build(cls):
        return cls()

    def embed(self, molecules):
        rows = [GENES.get(each.name, [0, 0, 0]) for each in molecules]
        known = np.array([each.name in GENES for each in molecules])
        return Embedding(np.array(rows, dtype=float), known, {})


@pytest.fixture(autouse=True)
def annotations(monkeypatch):
    monkeypatch.setattr(known_location, "PROVIDERS", type("Registry", (), {"load": staticmethod(lambda _: Known)}))
    monkeypatch.setattr(known_location, "_annotated", lambda: sorted(GENES))


def picture(**probability):
    return {place: probability.get(place, 0.0) for place in PLACES}


def test_agreement_beside_chance():
    said = agreement("NUC", picture(nucleus=0.9, cytoplasm=0.1), ("nucleus",))
    assert (said.verdict, said.known) == ("agrees", ("Nucleus",))
    assert said.probability == pytest.approx(0.9)
    # Of four genes, two are annotated to the nucleus and two to the cytoplasm.
    assert said.chance == pytest.approx((0.9 + 1.0 + 0.1 + 0.0) / 4)
    assert "beside 0.50" in str(said)


def test_pictures_that_differ_and_those_that_leave_it_open():
    other = picture(nucleus=0.2, membrane=0.8)
    assert agreement("NUC", other, ("membrane",)).verdict == "differs"
    assert agreement("NUC", other, ("membrane", "nucleus")).verdict == "undecided"


def test_every_place_is_that_of_some_compartment():
    assert set(PLACES) == {place for places in SHOWN_AS.values() for place in places}


def test_genes_without_annotation_and_no_probabilities_are_refused():
    with pytest.raises(UnknownNameError, match="Nothing is known"):
        agreement("XYZ", picture(nucleus=1.0), ("nucleus",))
    with pytest.raises(DataError, match="sum to one"):
        agreement("NUC", picture(nucleus=0.4), ("nucleus",))
