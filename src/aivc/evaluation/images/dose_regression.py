"""What protocols of cells under a drug share: which cell got which dose, a regression on log dose, and its scores."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
from jaxtyping import Float
from scipy.stats import spearmanr

from aivc.core.measurement import Measurement

_PARTS = 5


@final
@dataclass(frozen=True, eq=False)
class DosedCells:
    """Cells of several plates, and which of them are asked about.

    Attributes:
        dose: ``(n,)`` in µM, 0 for controls.
        field: ``(n,)`` field of view.
        test: ``(n,)`` True on the plate that is asked about.
    """

    dose: np.ndarray
    field: np.ndarray
    test: np.ndarray

    @classmethod
    def of(cls, cells: Measurement, plate: str) -> "DosedCells":
        """Cells of this plate are asked about."""
        own = cells.entities
        return cls(
            own["concentration_uM"].to_numpy(float),
            own["field"].astype(str).to_numpy(str),
            own["batch"].astype(str).to_numpy(str) == plate,
        )

    @property
    def treated(self) -> np.ndarray:
        """``(n,)`` True under the drug."""
        return np.asarray(self.dose > 0)

    @property
    def hidden(self) -> np.ndarray:
        """``(n,)`` True for what nothing is fitted on: treated cells of the plate that is asked about."""
        return np.asarray(self.test & self.treated)


def dose_weights(
    z_nd: np.ndarray, dose_n: np.ndarray, rows_n: np.ndarray, penalty: float
) -> Float[np.ndarray, " weights"]:
    """Ridge regression of log dose on states; treated cells and controls weigh alike, and the intercept is free."""
    treated = dose_n[rows_n] > 0
    weight_n = np.where(treated, 0.5 / treated.mean(), 0.5 / (1 - treated.mean()))
    x_ne = np.c_[z_nd[rows_n], np.ones(rows_n.sum())]
    small = penalty * np.eye(x_ne.shape[1])
    small[-1, -1] = 0.0
    moments = (x_ne * weight_n[:, None]).T @ x_ne + small
    return np.asarray(np.linalg.solve(moments, x_ne.T @ (weight_n * np.log1p(dose_n[rows_n]))))


def dose_scores(z_nd: np.ndarray, weights: np.ndarray) -> Float[np.ndarray, " n"]:
    """Log dose as the regression has it."""
    return np.asarray(np.c_[z_nd, np.ones(len(z_nd))] @ weights)


def chosen_penalty(z_nd: np.ndarray, about: DosedCells, penalties: Sequence[float]) -> tuple[float, float]:
    """Order of doses in fields left out of the training plates, and the penalty it is best at."""
    names = np.unique(about.field[~about.test])
    part_n = np.searchsorted(names, about.field) % _PARTS
    found = []
    for penalty in penalties:
        said_n = np.zeros(len(z_nd))
        for part in range(_PARTS):
            weights = dose_weights(z_nd, about.dose, ~about.test & (part_n != part), penalty)
            said_n[part_n == part] = dose_scores(z_nd, weights)[part_n == part]
        found.append((dose_order(said_n, about.dose, ~about.test & about.treated), penalty))
    return max(found)


def dose_order(score_n: np.ndarray, dose_n: np.ndarray, rows_n: np.ndarray) -> float:
    """Spearman correlation of scores with doses."""
    return float(spearmanr(score_n[rows_n], dose_n[rows_n])[0])
