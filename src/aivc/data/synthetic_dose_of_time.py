"""A simulated treatment read after several hours, with controls at 0 h only, where each effect is known."""

from dataclasses import dataclass
from typing import final

import numpy as np
import pandas as pd
from jaxtyping import Float

from aivc.core.errors import DataError
from aivc.core.measurement import CONTROL, Measurement
from aivc.core.units import COUNTS

AGENT = "drug:steroid@100nM"
# Share of features that respond, and the spread of their log fold changes after the last hours.
_RESPOND, _FOLD, _DEPTH = 0.4, 0.8, 12.0
RISES = ("log-time", "at-once", "nothing")


@final
@dataclass(frozen=True, eq=False)
class DoseOfTimeTruth:
    """What a treatment does.

    Attributes:
        hours: ``(t,)`` under the agent, rising.
        effects: ``(t, f)`` added to the log rate of each feature.
    """

    hours: Float[np.ndarray, " t"]
    effects: Float[np.ndarray, "t f"]


def synthetic_dose_of_time(
    *,
    hours: tuple[float, ...] = (1.0, 3.0),
    cells: int = 150,
    features: int = 60,
    rise: str = "log-time",
    seed: int = 0,
) -> tuple[Measurement, DoseOfTimeTruth]:
    """Simulate counts of controls at 0 h and of cells under one agent after some hours.

    Args:
        hours: Under the agent.
        cells: Of each time.
        features: Genes.
        rise: ``log-time``, effects grow with the logarithm of one plus hours; ``at-once``, all is there after the first
            hours; ``nothing``, the agent does nothing.
        seed: Draws everything.

    Raises:
        DataError: Hours that are not positive, or another rise.

    >>> cells, truth = synthetic_dose_of_time(cells=20, features=10)
    >>> sorted(set(zip(cells.perturbations, cells.times.tolist())))
    [('control', 0.0), ('drug:steroid@100nM', 1.0), ('drug:steroid@100nM', 3.0)]
    """
    if not hours or min(hours) <= 0 or rise not in RISES:
        raise DataError([f"Hours are positive and rise is one of {', '.join(RISES)}; got {hours} and {rise!r}."])
    rng, later = np.random.default_rng(seed), np.array(sorted(hours), dtype=np.float64)
    share_t = {"log-time": np.log1p(later) / np.log1p(later[-1]), "at-once": np.ones(len(later))}.get(rise, 0.0 * later)
    full_f = rng.normal(0, _FOLD, features) * (rng.random(features) < _RESPOND)
    effect_tf = np.vstack([np.zeros(features), share_t[:, None] * full_f])
    kind_n = np.repeat(np.arange(len(later) + 1), cells)
    log_nf = rng.normal(0, 0.5, features) + effect_tf[kind_n] + rng.normal(0, 0.2, (len(kind_n), features))
    rate_nf = np.exp(log_nf)
    depth_n1 = _DEPTH * features * rng.lognormal(0, 0.2, (len(kind_n), 1)) / rate_nf.sum(axis=1, keepdims=True)
    entities = pd.DataFrame(
        {
            "perturbation": np.where(kind_n == 0, CONTROL, AGENT).astype(object),
            "context": "culture",
            "time": np.r_[0.0, later][kind_n],
        },
        index=[f"cell{i}" for i in range(len(kind_n))],
    )
    names = np.array([f"G{i:04d}" for i in range(features)], dtype=object)
    counts = rng.poisson(rate_nf * depth_n1).astype(np.float32)
    return Measurement(counts, names, entities, COUNTS), DoseOfTimeTruth(later, effect_tf[1:])
