"""From molecules to what is done with them: each agent of a perturbation as a molecule and a dosage."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np
from jaxtyping import Float
from scipy.optimize import isotonic_regression

from aivc.core.errors import DataError, MoleculeError
from aivc.core.molecule import Molecule
from aivc.core.perturbation import Agent, Perturbation
from aivc.core.ur import UR
from aivc.core.variant import Variant


@final
@dataclass(frozen=True)
class Dosage:
    """How much of a molecule's activity an agent adds or takes: -1 is a loss, 0 nothing, +1 a gain.

    Attributes:
        mean: Expected dosage, -1 to 1.
        variance: How little is known of it; 0 where it is certain.

    Raises:
        DataError: A dosage beyond -1 to 1, or a negative variance.
    """

    mean: float
    variance: float = 0.0

    def __post_init__(self) -> None:
        if not -1 <= self.mean <= 1 or not 0 <= self.variance <= 1:
            raise DataError(
                [
                    f"A dosage lies in -1 to 1, its variance in 0 to 1; got {self.mean} and {self.variance}. "
                    "Calibrate it."
                ]
            )


LOSS, NOTHING, GAIN = Dosage(-1.0), Dosage(0.0), Dosage(1.0)
# All dosages from -1 to 1 equally likely.
UNKNOWN = Dosage(0.0, 1 / 3)


@final
@dataclass(frozen=True, eq=False)
class DosageCalibration:
    """Turns scores of variants into dosages, never against their order.

    Attributes:
        scores: ``(k,)`` scores, ascending.
        dosages: ``(k,)`` dosage at each; between two it is interpolated, beyond the ends it stays.
        variance: Mean square of what the scores leave unexplained.

    Raises:
        DataError: Scores do not ascend, or dosages do not keep one direction or leave -1 to 1.

    >>> DosageCalibration(np.array([-4.0, 0.0]), np.array([-1.0, 0.0])).dosage(-2.0).mean
    -0.5
    """

    least: ClassVar[int] = 3
    scores: Float[np.ndarray, " k"]
    dosages: Float[np.ndarray, " k"]
    variance: float = 0.0

    def __post_init__(self) -> None:
        if not len(self.scores) or self.scores.shape != self.dosages.shape or not (np.diff(self.scores) > 0).all():
            raise DataError(["A calibration has one dosage per score, and scores ascend. Sort them, each score once."])
        steps = np.diff(self.dosages)
        if not (np.abs(self.dosages) <= 1).all() or not ((steps >= 0).all() or (steps <= 0).all()):
            raise DataError(["Calibrated dosages lie in -1 to 1 and keep one direction. Use DosageCalibration.fit."])

    @classmethod
    def fit(cls, scores: np.ndarray, dosages: np.ndarray) -> "DosageCalibration":
        """Fit the monotone steps nearest to measured dosages, in the direction that fits better.

        Args:
            scores: ``(n,)`` of variants whose dosage is known, of any predictor.
            dosages: ``(n,)`` known dosages: -1 for a loss such as a stop, 0 for a synonymous variant.

        Raises:
            DataError: Too few, or not finite, or beyond -1 to 1.
        """
        x, y = np.asarray(scores, dtype=float), np.asarray(dosages, dtype=float)
        if x.shape != y.shape or x.ndim != 1 or len(x) < cls.least or not np.isfinite(np.append(x, y)).all():
            raise DataError([f"A calibration needs {cls.least} or more finite scores, each with its dosage. Add some."])
        if (np.abs(y) > 1).any():
            raise DataError(["Dosages lie in -1 to 1. Divide them by the effect of a loss."])
        levels, rank = np.unique(x, return_inverse=True)
        weight = np.bincount(rank).astype(float)
        mean = np.bincount(rank, y) / weight
        fits = [isotonic_regression(mean, weights=weight, increasing=rising).x for rising in (True, False)]
        losses = [float(((y - fit[rank]) ** 2).mean()) for fit in fits]
        best = int(np.argmin(losses))
        return cls(levels, fits[best], losses[best])

    def dosage(self, score: float) -> Dosage:
        """Return the dosage of one score.

        Raises:
            DataError: The score is not finite.
        """
        if not np.isfinite(score):
            raise DataError([f"A score is a finite number, got {score}. Leave a variant without one out."])
        mean = float(np.interp(score, self.scores, self.dosages))
        # Nothing is known less well than a dosage of which nothing is known.
        return Dosage(mean, min(self.variance, UNKNOWN.variance))


def dosages_of(scores: Mapping[str, float], calibration: DosageCalibration) -> dict[str, Dosage]:
    """Turn scores of variants into dosages, by the name that a perturbation gives them.

    Args:
        scores: Score by target, such as ``TP53:p.R175H``.
        calibration: Fitted on variants of known effect.

    Raises:
        MoleculeError: A name is no gene with a variant.
        DataError: A score is not finite.
    """
    return {str(_variant_of(target)): calibration.dosage(score) for target, score in scores.items()}


def molecules_of(
    perturbation: Perturbation, *, dosages: Mapping[str, Dosage] | None = None, species: str = "human"
) -> tuple[tuple[Molecule, Dosage], ...]:
    """Describe each agent by the molecule whose activity it changes, and by how much.

    A knock-out, a knock-down and a variant that ends the protein early are all the loss of the gene; activation and
    over-expression its gain; a synonymous variant changes nothing. This holds by construction, though a stop close
    to the end may leave a working protein. What any other variant does is not known unless its dosage is given. A
    drug adds its compound, a ligand its protein. A direction that the perturbation states itself (``/up``,
    ``/down``) comes first.

    Args:
        perturbation: Control gives no molecules.
        dosages: Dosage by molecule, such as ``gene:TP53:p.R175H``: what `dosages_of` returns.
        species: Of genes and proteins.

    Raises:
        MoleculeError: A target is no gene, variant or compound.

    >>> molecule, dosage = molecules_of(Perturbation.parse("variant:TP53:p.R196*"))[0]
    >>> str(molecule), dosage.mean
    ('gene:TP53', -1.0)
    """
    given = dosages or {}
    return tuple(_described(agent, given, species) for agent in perturbation.agents)


def describe(
    perturbation: Perturbation, ur: UR, *, dosages: Mapping[str, Dosage] | None = None
) -> tuple[Float[np.ndarray, " d"], Float[np.ndarray, " d"]]:
    """Place a perturbation in a molecular UR: the sum over its agents of dosage times vector.

    An agent whose molecule has no row has an unknown vector: zero, with the mean square of all rows as its variance.

    Args:
        perturbation: Control lies at zero.
        ur: Molecular, rows named by target.
        dosages: As for `molecules_of`.

    Returns:
        Position and its variance per axis, of vector and dosage together.

    Raises:
        MoleculeError: A target is no gene, variant or compound.
    """
    position, variance = np.zeros(ur.space.dim), np.zeros(ur.space.dim)
    # A gene and its protein are one row here, so a second agent on the same target adds to the first one's dosage.
    for name, dosage in _summed(molecules_of(perturbation, dosages=dosages)).items():
        vector_d, spread_d = _row(name, ur)
        mean, dosage_variance = dosage
        position += mean * vector_d
        variance += (mean**2 + dosage_variance) * spread_d + dosage_variance * vector_d**2
    return position, variance


def _summed(agents: tuple[tuple[Molecule, Dosage], ...]) -> dict[str, tuple[float, float]]:
    summed: dict[str, tuple[float, float]] = {}
    for molecule, dosage in agents:
        mean, variance = summed.get(molecule.name, (0.0, 0.0))
        summed[molecule.name] = mean + dosage.mean, variance + dosage.variance
    return summed


def _row(name: str, ur: UR) -> tuple[np.ndarray, np.ndarray]:
    row = ur.entities.index.get_indexer([name])[0]
    if row < 0:
        spread = (ur.values**2 + (0 if ur.variance is None else ur.variance)).mean(axis=0) if len(ur) else 1.0
        return np.zeros(ur.space.dim), np.broadcast_to(spread, ur.space.dim)
    return ur.values[row], np.zeros(ur.space.dim) if ur.variance is None else ur.variance[row]


def _described(agent: Agent, dosages: Mapping[str, Dosage], species: str) -> tuple[Molecule, Dosage]:
    stated = Dosage(float(agent.direction or 0)) if agent.direction else None
    if (gene := agent.gene) is not None:
        # A gene said to be changed, but not how, is as little known as a variant that nobody scored.
        found = _dosage(_variant_of(agent.target, species), dosages) if ":" in agent.target and not stated else UNKNOWN
        return Molecule("gene", gene, species), stated or found
    if agent.kind == "ligand":
        return Molecule("protein", agent.target, species), stated or GAIN
    return Molecule("compound", agent.target), stated or GAIN


def _dosage(molecule: Molecule, dosages: Mapping[str, Dosage]) -> Dosage:
    variant = Variant.parse(molecule.variant)
    if variant.ends_early:
        return LOSS
    if variant.is_synonymous:
        return NOTHING
    return dosages.get(str(molecule), UNKNOWN)


def _variant_of(target: str, species: str = "human") -> Molecule:
    gene, colon, variant = target.partition(":")
    if not colon or not variant:
        raise MoleculeError(f"A variant is written gene:variant, such as TP53:p.R175H, got {target!r}. Name both.")
    return Molecule("gene", gene, species, variant)
