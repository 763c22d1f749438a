"""What is known of where a protein is, beside what a picture says: do the two agree, and is that more than chance?"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd

from aivc.core.errors import DataError, UnknownNameError
from aivc.core.molecule import Molecule
from aivc.core.registry import PROVIDERS
from aivc.data import catalog

# What a light microscope shows of a protein that is annotated to a compartment of the Gene Ontology.
SHOWN_AS: Mapping[str, tuple[str, ...]] = {
    "Nucleus": ("nucleus", "nucleolus", "nuclear rim"),
    "Cytoplasm": ("cytoplasm",),
    "Cytoskeleton": ("cytoplasm",),
    "Ribosome": ("cytoplasm",),
    "Mitochondrion": ("cytoplasm", "perinuclear", "puncta"),
    "Endoplasmic reticulum": ("cytoplasm", "perinuclear", "nuclear rim"),
    "Golgi apparatus": ("perinuclear",),
    "Intracellular vesicle": ("puncta",),
    "Endosome": ("puncta",),
    "Lysosome": ("puncta",),
    "Vacuole": ("puncta",),
    "Peroxisome": ("puncta",),
    "Plasma membrane": ("membrane",),
    "Extracellular region": (),
}
AGREES, DIFFERS, UNDECIDED = "agrees", "differs", "undecided"


class Agreement(NamedTuple):
    """A picture beside what is annotated.

    Attributes:
        gene: Symbol as given.
        known: Compartments that it is annotated to, sorted.
        expected: Places that a picture would then show.
        probability: Of these places, by the picture.
        chance: The same with the annotations of other genes, on average.
        verdict: ``agrees`` where the likeliest place is expected; ``differs`` where no place of the set is;
            ``undecided`` between the two.
    """

    gene: str
    known: tuple[str, ...]
    expected: tuple[str, ...]
    probability: float
    chance: float
    verdict: str

    def __str__(self) -> str:
        """A sentence for people."""
        known = ", ".join(self.known)
        if not self.expected:
            return f"{self.gene} is annotated to {known}, which no place in a cell shows."
        return (
            f"{self.gene} is annotated to {known}. The picture {self.verdict}: {self.probability:.2f} on "
            f"{', '.join(self.expected)}, beside {self.chance:.2f} with the annotations of any gene."
        )


def agreement(
    gene: str, probabilities: Mapping[str, float], likely: tuple[str, ...], *, species: str = "human"
) -> Agreement:
    """Compare the places that a picture shows with the compartments that a gene is annotated to.

    Most genes are annotated to the nucleus or the cytoplasm, so that agreement there says little: ``chance`` says how
    little.

    Args:
        gene: Symbol, former symbol or UniProt accession.
        probabilities: Of each place, such as a row of `Located.wells`.
        likely: The places in the set.
        species: Of the gene.

    Raises:
        DataError: Probabilities are none.
        UnavailableError: The annotations are not here.
        UnknownNameError: The gene is annotated to nothing.
    """
    places = tuple(probabilities)
    p_l = np.array([probabilities[place] for place in places], dtype=np.float64)
    if not len(p_l) or (p_l < 0).any() or abs(p_l.sum() - 1) > 1e-6 or not set(likely) <= set(places) or not likely:
        raise DataError(["Probabilities are one for each place and sum to one, and the set holds one or more of them."])
    provider = PROVIDERS.load("compartments").build()
    axes = [str(axis) for axis in provider.provenance["axes"]]
    shown_cl = np.array([[place in SHOWN_AS.get(axis, ()) for place in places] for axis in axes])
    own = provider.embed([Molecule("gene", gene, species)])
    if not own.known[0]:
        raise UnknownNameError("gene", gene, (), "Nothing is known of its compartments; give a symbol of a human gene.")
    everyone = provider.embed([Molecule("gene", name) for name in _annotated()])
    expected_l = (own.values[0] > 0) @ shown_cl > 0
    others_gl = (everyone.values[everyone.known] > 0).astype(np.int64) @ shown_cl > 0
    expected = tuple(place for place, one in zip(places, expected_l, strict=True) if one)
    verdict = AGREES if places[int(p_l.argmax())] in expected else UNDECIDED if set(likely) & set(expected) else DIFFERS
    return Agreement(
        gene,
        tuple(axis for axis, value in zip(axes, own.values[0], strict=True) if value > 0),
        expected,
        float(p_l[expected_l].sum()),
        float((others_gl @ p_l).mean()),
        verdict,
    )


def _annotated() -> list[str]:
    table = pd.read_csv(catalog.path("compartments")).dropna().astype(str)
    return sorted(set(table["SYMBOL"]))
