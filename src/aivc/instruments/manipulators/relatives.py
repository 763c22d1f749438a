"""What a manipulator of perturbations never measured must be able to say, for others to build on it."""

from collections.abc import Mapping, Sequence
from typing import Protocol, runtime_checkable

import numpy as np

from aivc.core.contracts import Manipulator
from aivc.core.errors import DataError
from aivc.core.perturbation import Perturbation
from aivc.core.registry import MANIPULATORS
from aivc.core.ur import UR
from aivc.data.compounds import family_of
from aivc.instruments.manipulators.contrast import mean_share
from aivc.instruments.manipulators.priors import index_of
from aivc.instruments.manipulators.series import canonical


@runtime_checkable
class KnowsRelatives(Protocol):
    """A manipulator that foretells perturbations never measured from their molecular relatives."""

    def library(self, perturbations: Sequence[Perturbation]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Deviations from the mean effect ``(p, d)``, variances ``(p, d)``, and shares ``(p,)`` of it explained."""
        ...

    def related(self, informed: float) -> bool:
        """Whether so much is explained that the question lies at the edge, not outside."""
        ...


@runtime_checkable
class KnowsLeftOut(Protocol):
    """One that can also tell what it would have foretold of what it has seen."""

    def left_out(self) -> Mapping[str, np.ndarray]:
        """Deviations ``(d,)`` from the mean effect of what has relatives, each foretold without its family."""
        ...


def fit_relatives(
    ur: UR, parts: UR | None, asked: Sequence[Perturbation], name: str, seed: int
) -> tuple[Manipulator, ...]:
    """The manipulator that foretells from molecules; none where no target of what was seen is among them."""
    if parts is None:
        return ()
    names = index_of(tuple(map(str, parts.entities.index.tolist())))
    known = {target for each in asked for target in (*each.targets, *each.genes)}
    if not known & set(names):
        return ()
    found: Manipulator = MANIPULATORS.load(name).fit(ur, parts=parts, seed=seed)
    if not isinstance(found, KnowsRelatives):
        raise DataError([f"{name} cannot foretell a library from molecules. Choose kernel-priors or fused-priors."])
    return (found,)


def related_share(
    relatives: tuple[Manipulator, ...],
    texts: Sequence[str],
    places_r: np.ndarray,
    defaults_cd: np.ndarray,
    shifts_rd: np.ndarray,
) -> float:
    """Share of the mean effect to keep beside what relatives tell; all of it where they cannot say what they would."""
    for each in relatives:
        if isinstance(each, KnowsLeftOut):
            said = {str(canonical(Perturbation.parse(text))): said_d for text, said_d in each.left_out().items()}
            # Combinations are told from their parts, never from relatives.
            rows = np.array([row for row, text in enumerate(texts) if text in said and _single(text)], dtype=int)
            said_rd = np.array([said[texts[row]] for row in rows]).reshape(len(rows), shifts_rd.shape[1])
            families = [family_of(Perturbation.parse(texts[row])) for row in rows]
            chosen = mean_share(defaults_cd[places_r[rows]], said_rd, shifts_rd[rows], families)
            return 1.0 if chosen is None else chosen
    return 1.0


def _single(text: str) -> bool:
    return len(Perturbation.parse(text).agents) == 1
