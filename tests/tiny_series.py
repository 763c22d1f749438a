"""A developing population with a drug that holds it, and virtual cells fitted on it, made once for all tests."""

from functools import cache

import numpy as np

from aivc.data.synthetic_time import synthetic_development
from aivc.experiments.fitting.fit import fit
from aivc.experiments.fitting.fit_time import fit_time
from aivc.experiments.fitting.shared_fit import Recipe
from aivc.experiments.simulate import simulate


@cache
def developing():
    """Cells and their truth."""
    return synthetic_development(cells=60, features=30, seed=2)


@cache
def effects_only():
    """A virtual cell that knows what the drug does, and nothing of time."""
    return fit(developing()[0], "transfer", recipe=Recipe(dim=4, members=2, inner_folds=0), parts=None)


@cache
def both():
    """A virtual cell that knows what cells become, and what the drug does."""
    cells, truth = developing()
    settings = {"counts": truth.counts, "judged": False, "curved": False}
    return fit_time(cells, "transport.v1", effects_only(), recipe=Recipe(members=2), settings=settings)


@cache
def times_only():
    """A virtual cell that knows what cells become, with the drug and without, as they were read."""
    cells, truth = developing()
    return fit_time(cells, "mixture-time", recipe=Recipe(dim=4, members=2), settings={"counts": truth.counts})


@cache
def blocked():
    """A series with the drug in its middle."""
    text = "wait 24h; drug:blocker@1uM for 24h; wait 24h"
    return simulate(both(), "culture", text, cells=50)


def progress(states):
    """How far cells have come, as the truth of the training cells says by a linear map of their states."""
    cells, truth = developing()
    known = both().encode(cells).values
    slope = np.linalg.lstsq(np.column_stack([known, np.ones(len(known))]), truth.progress, rcond=None)[0]
    return np.column_stack([states, np.ones(len(states))]) @ slope
