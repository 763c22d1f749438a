"""A simulated population that develops, grows and parts in two, and a drug that holds it where it is."""

from dataclasses import dataclass
from typing import final

import numpy as np
import pandas as pd
from jaxtyping import Float
from scipy import sparse

from aivc.core.errors import DataError
from aivc.core.matching import MATCHED
from aivc.core.measurement import CONTROL, Measurement
from aivc.core.units import COUNTS

DRUG = "drug:blocker@1uM"
# What a cell is: not yet decided, or of one of the two fates.
EARLY, LEFT, RIGHT = "progenitor", "left", "right"
_SPREAD, _DEPTH = 0.15, 12.0


@final
@dataclass(frozen=True, eq=False)
class TimeTruth:
    """What a developing population was made of.

    Attributes:
        progress: ``(n,)`` how far each cell has come; control cells come ``drift`` further in an hour.
        drift: Progress in an hour.
        growth: Net divisions of a cell in an hour, so that ``counts`` grow by ``exp(growth * hours)``.
        counts: Number of cells in the culture, by hours.
        commits: Progress at which a cell takes one of the two fates.
        left: Share of cells that take the first fate.
        features: ``(2, f)`` what one unit of progress, and of the distance between fates, adds to each log rate.
    """

    progress: Float[np.ndarray, " n"]
    drift: float
    growth: float
    counts: dict[float, float]
    commits: float
    left: float
    features: Float[np.ndarray, "2 f"]


def synthetic_development(  # noqa: PLR0913 - one keyword for each thing that a simulation may vary
    *,
    times: tuple[float, ...] = (0.0, 24.0, 48.0, 72.0),
    cells: int = 120,
    features: int = 40,
    drift: float = 1 / 48,
    growth: float = 0.01,
    left: float = 0.5,
    given: float | None = 24.0,
    turn: float = 0.0,
    seed: int = 0,
) -> tuple[Measurement, TimeTruth]:
    """Simulate cells read at several times, with and without a drug that stops development for as long as it is given.

    Progress rises evenly; past 1 a cell moves to the left or to the right as far as it goes on. Counts are Poisson.
    The drug ``drug:blocker@1uM`` is given for the last hours before a cell is read, and holds its progress meanwhile.

    Args:
        times: Hours at which cells are read, the first without the drug.
        cells: Cells of each time, with the drug and without.
        features: Genes.
        drift: Progress in an hour.
        growth: Net divisions of a cell in an hour.
        left: Share of cells that take the left fate.
        given: Hours for which the drug was given; None leaves it out.
        turn: Radians by which the way turns in one unit of progress, off the first row of ``features``; 0 is straight.
        seed: Draws everything.

    Raises:
        DataError: Fewer than two times, or a drug that would have been given before the first.

    >>> cells, truth = synthetic_development(times=(0.0, 24.0), cells=30, features=10)
    >>> cells
    Measurement(90 cellular entities × 10 rna features, counts)
    >>> sorted(set(cells.perturbations)), {k: round(v) for k, v in truth.counts.items()}
    (['control', 'drug:blocker@1uM for 24h'], {0.0: 1000, 24.0: 1271})
    """
    later = sorted(times)[1:]
    if not later or (given is not None and later[0] - min(times) < given):
        raise DataError(["Development is read at two or more times, and a drug is given after the first. Space them."])
    rng, first = np.random.default_rng(seed), min(times)
    groups = [(time, CONTROL, 0.0) for time in sorted(times)]
    if given is not None:
        groups += [(time, f"{DRUG} for {given:g}h", given) for time in later]
    time_n, label_n, held_n = (np.repeat(np.array(column, dtype=object), cells) for column in zip(*groups, strict=True))
    hours_n = time_n.astype(float) - first - held_n.astype(float)
    progress_n = drift * hours_n + rng.normal(0, _SPREAD, len(time_n))
    side_n = np.where(rng.random(len(time_n)) < left, -1.0, 1.0)
    apart_n = side_n * np.maximum(progress_n - 1.0, 0.0)
    slopes_2f = rng.normal(0, 0.8, (2, features))
    aside_f = rng.normal(0, 0.8, features) if turn else np.zeros(features)
    # A circle is as long as the line it stands for, and turns away from it.
    ahead_n = np.sin(turn * progress_n) / turn if turn else progress_n
    beside_n = (1 - np.cos(turn * progress_n)) / turn if turn else 0.0 * progress_n
    log_nf = np.stack([ahead_n, 2 * apart_n], axis=1) @ slopes_2f + np.outer(beside_n, aside_f)
    rate_nf = np.exp(rng.normal(0, 0.5, features) + log_nf)
    depth_n1 = _DEPTH * features * rng.lognormal(0, 0.2, (len(time_n), 1)) / rate_nf.sum(axis=1, keepdims=True)
    columns = {
        "perturbation": label_n,
        "context": "culture",
        "time": time_n.astype(float),
        f"{MATCHED}time": [f"{time:g}" for time in time_n],
        "cell_type": np.where(progress_n < 1, EARLY, np.where(side_n < 0, LEFT, RIGHT)),
    }
    entities = pd.DataFrame(columns, index=[f"cell{i}" for i in range(len(time_n))])
    names = np.array([f"G{i:04d}" for i in range(features)], dtype=object)
    counts = sparse.csr_matrix(rng.poisson(rate_nf * depth_n1).astype(np.float32))
    grown = {float(time): 1000 * float(np.exp(growth * (time - first))) for time in sorted(times)}
    truth = TimeTruth(progress_n, drift, growth, grown, 1.0, left, slopes_2f)
    return Measurement(counts, names, entities, COUNTS), truth
