"""Perturbed cells of one batch as they would be in another, moved by as much as controls tell of the two."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from aivc.core.errors import ControlError


class BatchShift(NamedTuple):
    """Difference between the controls of two batches.

    Attributes:
        measured: ``(d,)`` mean of the controls here less that of the controls there.
        trusted: Share of it that cells are moved by, from 0 to 1.
    """

    measured: Float[np.ndarray, " d"]
    trusted: float


def batch_shift(there_nd: np.ndarray, here_md: np.ndarray) -> BatchShift:
    """Estimate how far apart two batches are from their controls.

    The share is that of the positive-part James–Stein estimator: a difference no larger than that of two samples of one
    batch moves nothing (Efron & Morris 1973, Journal of the American Statistical Association 68:117).

    Args:
        there_nd: ``(n, d)`` states of controls of the batch that perturbed cells were measured in.
        here_md: ``(m, d)`` of the batch that is asked about.

    Raises:
        ControlError: A batch has fewer than three controls.
    """
    if min(len(there_nd), len(here_md)) < 3:
        raise ControlError(
            f"Batches are compared by three controls each; got {len(there_nd)} and {len(here_md)}. Add controls."
        )
    measured = here_md.mean(axis=0) - there_nd.mean(axis=0)
    noise = sum(each.var(axis=0, ddof=1) / len(each) for each in (there_nd, here_md))
    strength = float((measured**2 / np.maximum(noise, 1e-12)).sum())
    return BatchShift(measured, max(0.0, 1 - len(measured) / max(strength, 1e-12)))


def moved_cells(perturbed_kd: np.ndarray, there_nd: np.ndarray, here_md: np.ndarray) -> Float[np.ndarray, "k d"]:
    """Perturbed cells of another batch, moved by the trusted part of the difference of controls.

    Args:
        perturbed_kd: ``(k, d)`` states of cells measured there.
        there_nd: ``(n, d)`` of controls there.
        here_md: ``(m, d)`` of controls here.

    Raises:
        ControlError: A batch has fewer than three controls.
    """
    found = batch_shift(there_nd, here_md)
    return np.asarray(perturbed_kd + found.trusted * found.measured)
