"""How the intervals of one method fared at each level, also where it states only some of the levels."""

from collections.abc import Sequence

import numpy as np

from aivc.evaluation.metrics.panel import Stated
from aivc.evaluation.metrics.uncertainty import weighted_interval_score

LEVELS = (0.5, 0.8, 0.9, 0.95)


def fared(
    bounds: Sequence[tuple[np.ndarray, ...] | None], predicted_pf: np.ndarray, truth_pf: np.ndarray, usable: np.ndarray
) -> Stated | None:
    """Hold the intervals of one method against what was measured.

    Args:
        bounds: Per question, ends ``(2, f)`` at each of `LEVELS`, NaN at a level that is not stated; or None.
        predicted_pf: ``(p, f)`` mean profiles.
        truth_pf: ``(p, f)`` measured mean profiles, in the same units.
        usable: ``(p, f)`` False for a gene that is not scored.

    Returns:
        None where no question has intervals. The CRPS is NaN where a level is not stated: with fewer quantiles it is
        another number.
    """
    if all(each is None for each in bounds):
        return None
    covered, width = np.full((2, len(bounds), len(LEVELS)), np.nan)
    crps = np.full(len(bounds), np.nan)
    for i, (each, use) in enumerate(zip(bounds, usable, strict=True)):
        if each is None or not use.any():
            continue
        truth, ends = truth_pf[i, use], np.array(each)[:, :, use]
        said = ~np.isnan(ends).any(axis=(1, 2))
        covered[i, said] = ((truth >= ends[said, 0]) & (truth <= ends[said, 1])).mean(axis=1)
        width[i, said] = (ends[said, 1] - ends[said, 0]).mean(axis=1)
        if said.all():
            crps[i] = weighted_interval_score(predicted_pf[i, use], ends, LEVELS, truth).mean()
    return Stated(LEVELS, covered, width, crps)


def at_level(ends: np.ndarray, level: float) -> tuple[np.ndarray, ...]:
    """Ends per level of `LEVELS`, where one level is stated: NaN at all others.

    >>> [float(ends[0, 0]) for ends in at_level(np.zeros((2, 1)), 0.9)]
    [nan, nan, 0.0, nan]
    """
    return tuple(ends if np.isclose(each, level) else np.full_like(ends, np.nan) for each in LEVELS)
