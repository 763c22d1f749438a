"""Ask a virtual cell what a perturbation would do, as an effect on real control cells, with its interval."""

from dataclasses import replace

import numpy as np

from aivc.core.errors import ScoreError
from aivc.core.measurement import Measurement
from aivc.core.perturbation import Perturbation
from aivc.core.prediction import Prediction
from aivc.core.ur import UR
from aivc.core.virtual_cell import VirtualCell


def predict(cell: VirtualCell, start: UR, perturbation: Perturbation, *, cells: int = 200) -> Prediction[Measurement]:
    """Perturb control states and read them out.

    Each draw reads out its own share of the states, shifted to the mean of all of them: so the draws together are one
    population of about ``cells``, no state is read twice, and the expected profile is that of all states.

    Args:
        cell: With one manipulator and one decoder.
        start: Control states in the cell's space.
        perturbation: What to do to them.
        cells: How many cells to read out over all draws, at least two for each.

    Raises:
        SpaceError: The states are of another space.
        ScoreError: The answer holds NaN or infinity.
    """
    moved = cell.manipulate(start, perturbation)
    each = max(2, -(-cells // len(moved.draws)))
    shares = tuple(_share(draw, i, each) for i, draw in enumerate(moved.draws))
    shared = Prediction(shares, moved.made_by, moved.applicability, retrieval=moved.retrieval)
    prediction = shared.then(cell.decode)
    base = cell.decode(_share(start, 0, each)).mean
    if not (np.isfinite(prediction.profiles).all() and np.isfinite(prediction.retrieval_mean).all()):
        raise ScoreError(
            f"{' + '.join(prediction.made_by)} answered {perturbation} with NaN or infinity. "
            "A prediction must be finite everywhere: mend the method, or leave it out."
        )
    return prediction.replace(base=base)


def _share(states: UR, number: int, each: int) -> UR:
    rows = np.arange(number * each, (number + 1) * each) % len(states)
    share = states.take(rows)
    entities = share.entities.set_axis([f"{name}-{number}-{i}" for i, name in enumerate(share.entities.index)], axis=0)
    return replace(share, values=share.values + states.mean - share.mean, entities=entities)
