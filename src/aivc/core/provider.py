"""Where vectors for molecules come from: one contract for sequence models, knowledge, fingerprints and tables."""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, final

import numpy as np
from jaxtyping import Bool, Float

from aivc.core.contracts import Part
from aivc.core.errors import DataError
from aivc.core.molecule import Molecule


@final
@dataclass(frozen=True, eq=False)
class Embedding:
    """What one provider knows of some molecules.

    Attributes:
        values: ``(n, d)`` vectors; zero where nothing is known, which `known` alone tells from a vector of zeros.
        known: ``(n,)`` whether the provider knows the molecule.
        provenance: Name, version, licence, digest of what it was made from, and, under ``saw``, the measurements whose
            values went into it, so that a leak can be found.

    Raises:
        DataError: Shapes disagree, or a value is not finite.
    """

    values: Float[np.ndarray, "n d"]
    known: Bool[np.ndarray, " n"]
    provenance: Mapping[str, Any]

    def __post_init__(self) -> None:
        if self.known.shape != self.values.shape[:1]:
            raise DataError(
                [
                    f"An embedding of {len(self.values)} molecules says for each whether it is known, got "
                    f"{self.known.shape}. Give one True or False per row."
                ]
            )
        if not np.isfinite(self.values).all():
            raise DataError(["An embedding holds finite numbers only. Mark what is not known in `known`."])


class Provider(Part):
    """Molecules → vectors with a mask and a provenance.

    A molecule keeps its vector whatever stands beside it and however many are asked for at once.

    Attributes:
        kinds: Kinds of `Molecule` it can know anything about.
    """

    group: ClassVar[str] = "providers"
    kinds: ClassVar[tuple[str, ...]]

    @classmethod
    @abstractmethod
    def available(cls) -> str | None:
        """None where it can be used here; otherwise what is missing, and how to get it."""

    @abstractmethod
    def embed(self, molecules: Sequence[Molecule]) -> Embedding:
        """Represent molecules, in the order given; those of other kinds or unknown come back masked.

        Raises:
            UnavailableError: What it needs is not here; the message is that of `available`.
        """

    @property
    @abstractmethod
    def dim(self) -> int:
        """Number of axes."""

    @property
    @abstractmethod
    def provenance(self) -> Mapping[str, Any]:
        """Name, version, licence, digest, and what data it saw."""
