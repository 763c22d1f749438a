"""Division and death: how many cells a cell becomes, from counts, from scores of gene sets, or from a plan."""

from collections.abc import Mapping, Sequence

import numpy as np

from aivc.core.errors import DataError, UnknownNameError
from aivc.core.ur import UR

NONE, SCORES, PLAN = "none", "scores", "plan"
GROWTHS = (NONE, SCORES, PLAN)
EARLY, SPREAD, LATE = "early", "spread", "late"
TIMINGS = (EARLY, SPREAD, LATE)
# Numbers of cells by hours.
Counts = Mapping[float | int, float | int]
PROLIFERATION, APOPTOSIS = "proliferation", "apoptosis"
# Rates of division and death per day at the ends of the scores (the birth-death prior of Lange et al. 2023 uses such).
_BIRTH, _DEATH = (0.3, 1.7), (0.3, 1.7)
_DAY = 24.0


def require_growth(growth: str, timing: str) -> None:
    """Refuse names that are none.

    Raises:
        UnknownNameError: One of them.
    """
    if growth not in GROWTHS:
        raise UnknownNameError("growth", growth, GROWTHS)
    if timing not in TIMINGS:
        raise UnknownNameError("timing of growth", timing, TIMINGS)


def net_rates(proliferation: np.ndarray, apoptosis: np.ndarray) -> np.ndarray:
    """``(n,)`` divisions minus deaths per hour, from scores of gene sets.

    Each score is standardized over the cells and passed through a logistic curve between a lowest and a highest rate,
    so that the average cell divides as often as it dies.

    Args:
        proliferation: ``(n,)`` mean of standardized genes of the cell cycle, or any score that rises with it.
        apoptosis: ``(n,)`` the same of programmed death.
    """
    birth, death = (
        low + (high - low) / (1 + np.exp(-_standard(score)))
        for score, (low, high) in ((proliferation, _BIRTH), (apoptosis, _DEATH))
    )
    return np.asarray((birth - death) / _DAY)


def _standard(score: np.ndarray) -> np.ndarray:
    return (score - score.mean()) / max(float(score.std()), 1e-12)


def rates_of(name: str, ur: UR) -> np.ndarray:
    """Net rates of the cells of a UR, by its columns ``proliferation`` and ``apoptosis``.

    Raises:
        DataError: They are missing, or not numbers.
    """
    missing = [column for column in (PROLIFERATION, APOPTOSIS) if column not in ur.entities]
    if missing:
        raise DataError(
            [
                f"{name} with growth by scores reads the columns proliferation and apoptosis of the entities; "
                f"{' and '.join(missing)} is not there. Score the gene sets first, or declare growth='none'."
            ]
        )
    scores = [ur.entities[column].to_numpy(dtype=np.float64) for column in (PROLIFERATION, APOPTOSIS)]
    if not all(np.isfinite(score).all() for score in scores):
        raise DataError([f"{name} needs scores of proliferation and apoptosis of every cell. Leave out the others."])
    return net_rates(*scores)


def declared_counts(counts: Counts | None) -> tuple[np.ndarray, np.ndarray]:
    """Hours and numbers of cells in the order of time; empty where none are declared.

    Raises:
        DataError: Fewer than two times, or numbers that are not positive.
    """
    if not counts:
        return np.zeros(0), np.zeros(0)
    hours = np.array(sorted(map(float, counts)))
    numbers = np.array([float(counts[key]) for key in sorted(counts, key=float)])
    if len(hours) < 2 or not (np.isfinite(numbers).all() and (numbers > 0).all()):
        raise DataError(["Counts are positive numbers of cells at two or more times, such as {48: 1429, 144: 5788}."])
    return hours, numbers


def count_at(hours: np.ndarray, counts: np.ndarray, when: float) -> float:
    """Number of cells at a time: on the line between the two nearest counts, and on their line beyond the last.

    A line, not an exponential curve: counts are of cells sequenced, which grow less than cells alive.

    >>> float(count_at(np.array([48.0, 144.0]), np.array([1429.0, 5788.0]), 96.0))
    3608.5
    """
    i = int(np.clip(np.searchsorted(hours, when) - 1, 0, len(hours) - 2))
    share = (when - hours[i]) / (hours[i + 1] - hours[i])
    # A population does not fall below one cell, however far a falling line is drawn out.
    return float(max(counts[i] + share * (counts[i + 1] - counts[i]), 1.0))


def exponent(timing: str, start: float, end: float) -> float:
    """Share of an interval's growth that happens between two of its moments, 0 and 1 being its ends."""
    if timing == SPREAD:
        return end - start
    if timing == EARLY:
        return float(start == 0.0 and end > 0.0)
    return float(end == 1.0 and start < 1.0)


def normalizer(weight: Sequence[float] | np.ndarray, grown: np.ndarray) -> float:
    """By which relative growth is divided so that a population keeps its total."""
    return float(np.dot(weight, grown))
